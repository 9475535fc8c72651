"""The mail of an invitation. Sent beside the request, which would otherwise take longer for people who have an account."""

import logging
import os
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from smtplib import SMTPException

from django.core.mail import EmailMessage

from apps.accounts.models import Invitation

log = logging.getLogger(__name__)

_TEXT = """\
{inviter} invites you to the workspace "{workspace}" on StructForge.

To accept, log in or register, and open this link before {expires}:

    {link}

If you did not expect this, you need not do anything.
"""


def send_invitation(invitation: Invitation, address: str, link: str) -> None:
    """Send it soon. A mail that does not go out undoes nothing: the log says why, and the invitation can be sent again."""
    workspace = _one_line(invitation.workspace.name)
    text = _TEXT.format(
        inviter=invitation.invited_by.get_username() if invitation.invited_by else "Somebody",
        workspace=workspace,
        expires=f"{invitation.expires_at:%Y-%m-%d %H:%M} UTC",
        link=link,
    )
    _thread().submit(_send, EmailMessage(f"Invitation to {workspace}", text, to=[address]))


def wait_for_mails() -> None:
    """Return once what was given to `send_invitation` so far is sent, or has failed."""
    _thread().submit(int).result()


def _send(message: EmailMessage) -> None:
    try:
        message.send()
    except (OSError, SMTPException):
        log.exception("The mail of an invitation could not be sent.")


def _one_line(text: str) -> str:
    return " ".join(text.split())


@cache
def _thread() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1, thread_name_prefix="mail")


os.register_at_fork(after_in_child=_thread.cache_clear)  # the parent's thread does not come along
