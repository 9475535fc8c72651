"""What people say of themselves, and the sessions in which they are logged in."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from allauth.account.forms import AddEmailForm
from allauth.account.internal.flows import manage_email
from allauth.account.internal.flows.email_verification import send_verification_email_to_address
from allauth.account.internal.flows.reauthentication import raise_if_reauthentication_required
from allauth.account.models import EmailAddress
from django.contrib.auth import HASH_SESSION_KEY
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from apps.accounts import limits
from apps.accounts.flows import checked
from apps.accounts.models import LoginSession, User
from apps.accounts.sessions import LOGIN
from apps.core import audit
from apps.core.audit import Verb
from apps.engine.errors import NotFoundError

MOST_SESSIONS = 200


class SessionNotFoundError(NotFoundError):
    code = "session_not_found"


@dataclass(frozen=True, slots=True)
class OpenSession:
    """A session as its person may see it.

    last_used_at   at log-in, and each time its tokens were refreshed
    address        where it was opened from; empty when that is not known
    """

    id: UUID
    created_at: datetime
    last_used_at: datetime
    address: str
    user_agent: str
    is_current: bool


@transaction.atomic
def update_profile(*, user: User, changes: Mapping[str, Any]) -> None:
    """Write first_name, last_name, language, time_zone: those of them that are given."""
    before = {name: getattr(user, name) for name in changes}
    for name, value in changes.items():
        setattr(user, name, value)
    if changes:
        user.save(update_fields=list(changes))
    if before != changes:
        audit.record(Verb.USER_UPDATED, user, personal_of=user.pk, before=before, after=changes)


def change_email(request: HttpRequest, *, email: str) -> None:
    """Send a mail to the new address; it takes the place of the old one once its key has come back. To one that waits, send it anew.

    Raises ReauthenticationError unless the person has just shown to be there, and InvalidAccountDataError.
    """
    limits.consume(request, "manage_email", key=str(request.user.pk))
    user: Any = request.user
    raise_if_reauthentication_required(request, app="allauth.account")
    if email.lower() == user.email.lower():
        manage_email.sync_user_email_address(user)  # accounts that an operator made have no row of it yet
    if address := EmailAddress.objects.filter(user=user, email=email.lower(), verified=False).first():
        send_verification_email_to_address(request, address)
    else:
        form = checked(AddEmailForm(user, {"email": email}))
        with transaction.atomic():
            manage_email.add_email(request, form)
            asked = {"email": form.cleaned_data["email"]}
            audit.record(Verb.USER_EMAIL_CHANGE_ASKED, user, personal_of=user.pk, before={"email": user.email}, after=asked)


def find_pending_email(user: User) -> str | None:
    """An address that waits for its confirmation."""
    return EmailAddress.objects.filter(user=user, verified=False).order_by("-pk").values_list("email", flat=True).first()


def list_sessions(user: User, *, current_key: str | None) -> list[OpenSession]:
    """The newest MOST_SESSIONS in which the person is logged in, newest use first."""
    mark = user.get_session_auth_hash()
    rows = LoginSession.objects.filter(user=user, expire_date__gt=timezone.now()).order_by("-last_used_at")[:MOST_SESSIONS]
    decoded = [(row, row.get_decoded()) for row in rows]
    # A session of a former password is no session any more, though nobody has deleted it.
    open_ones = [(row, data) for row, data in decoded if constant_time_compare(data.get(HASH_SESSION_KEY, ""), mark) and LOGIN in data]
    return [
        OpenSession(
            id=UUID(data[LOGIN]["id"]),
            created_at=datetime.fromisoformat(data[LOGIN]["at"]),
            last_used_at=row.last_used_at,
            address=data[LOGIN]["address"],
            user_agent=data[LOGIN]["user_agent"],
            is_current=row.session_key == current_key,
        )
        for row, data in open_ones
    ]


@transaction.atomic
def end_session(*, user: User, session_id: UUID) -> None:
    deleted, _ = LoginSession.objects.filter(user=user, login_id=session_id).delete()
    if not deleted:
        raise SessionNotFoundError(f"There is no session {session_id} of yours.")
    audit.record(Verb.SESSION_ENDED, user, personal_of=user.pk, before={"session": session_id})


@transaction.atomic
def end_sessions(*, user: User, besides: str | None = None) -> int:
    """End all sessions of a person, but the one whose key is `besides`. Returns how many ended."""
    ended: int = LoginSession.objects.filter(user=user).exclude(session_key=besides or "").delete()[0]
    if ended:
        audit.record(Verb.SESSIONS_ENDED, user, personal_of=user.pk, after={"ended": ended})
    return ended
