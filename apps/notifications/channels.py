"""The ways to tell: mail over SMTP, and signed webhooks through the one way out."""

import time
from collections.abc import Callable, Mapping
from smtplib import SMTPException
from typing import Any

import httpx2
import orjson
from django.conf import settings
from django.core.mail import EmailMessage

from apps.core import depth
from apps.executions.models import Execution
from apps.nodes.contract import NodeFailure
from apps.nodes.egress import Call
from apps.nodes.http_exchange import exchange, url_fault
from apps.notifications.keys import secrets_of
from apps.notifications.mails import mail_of
from apps.notifications.models import Delivery
from apps.notifications.signing import headers

WEBHOOK_SECONDS = 15.0
MAX_REPLY_BYTES = 1024 * 1024
GONE = 410


class NotTakenError(Exception):
    """The other side did not take it.

    is_final   another attempt cannot help
    """

    def __init__(self, code: str, message: str, *, is_final: bool = False, retry_after_seconds: float | None = None) -> None:
        super().__init__(message)
        self.code, self.message, self.is_final, self.retry_after_seconds = code, message, is_final, retry_after_seconds

    def as_json(self) -> dict[str, Any]:
        return {"code": self.code, "message": self.message}


def send_email(delivery: Delivery) -> None:
    """Raises NotTakenError."""
    subject, text = mail_of(delivery)
    # An id of the mail that stays the same tells the other side that it has it already.
    domain = settings.DEFAULT_FROM_EMAIL.rpartition("@")[2].strip("> ") or "structforge"
    message = EmailMessage(
        _one_line(subject),
        text,
        to=[delivery.target],
        headers={"Message-ID": f"<{delivery.pk}@{domain}>", "Auto-Submitted": "auto-generated"},
    )
    try:
        message.send()
    except (OSError, SMTPException) as error:
        raise NotTakenError("mail_not_taken", f"The mail server did not take it: {type(error).__name__}: {error}"[:500]) from error


def send_webhook(delivery: Delivery) -> None:
    """Raises NotTakenError."""
    url = httpx2.URL(delivery.target)
    if fault := url_fault(url):
        raise NotTakenError("invalid_url", f"It cannot be called: {fault}", is_final=True)
    body = orjson.dumps(delivery.payload)
    signed = headers(secrets_of(delivery.workspace_id), message_id=str(delivery.pk), timestamp=int(time.time()), body=body)
    said = {"content-type": "application/json", depth.HEADER: str(_depth(delivery) + 1)}
    request = httpx2.Request("POST", url, content=body, headers={**said, **signed})
    try:
        reply = exchange(request, call=Call(WEBHOOK_SECONDS), max_bytes=MAX_REPLY_BYTES, max_redirects=0)
    except NodeFailure as failure:
        error = failure.outcome.error
        raise NotTakenError(error.code, error.message) from failure
    if not 200 <= reply.status < 300:
        raise NotTakenError("http_status", f"It answered {reply.status}, expected 2xx.", is_final=reply.status == GONE)


def _depth(delivery: Delivery) -> int:
    """Of the execution that it tells of: being told may start another one."""
    found = Execution.objects.filter(deliveries=delivery.pk)
    return found.values_list("depth", flat=True).first() or 0


def _one_line(text: str) -> str:
    return " ".join(text.split())


CHANNELS: Mapping[Delivery.Channel, Callable[[Delivery], None]] = {
    Delivery.Channel.EMAIL: send_email,
    Delivery.Channel.WEBHOOK: send_webhook,
}
