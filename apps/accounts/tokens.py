"""Access and refresh tokens: allauth makes them, and this module checks them at the price of one query.

An access token counts while its signature and time hold, its person is active and has the password it was made for, and its session
is open. So a logout, a new password or a deactivation stops it with the next request, not when it expires.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

from allauth.account.internal.userkit import str_to_user_id
from allauth.headless import app_settings
from allauth.headless.tokens.strategies.jwt import JWTTokenStrategy
from allauth.headless.tokens.strategies.jwt.internal import decode_token, session_key_from_sid
from django.contrib.sessions.models import Session
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest
from django.utils.crypto import constant_time_compare

from apps.accounts.models import User

PASSWORD_CLAIM = "pwd"  # noqa: S105  # the name of a claim

# One statement for what would be two queries and a decoded session.
_ACTIVE_USER = """
    select u.* from accounts_user u join django_session s on s.session_key = %s and s.expire_date > now()
    where u.id = %s and u.is_active
"""


class Tokens(NamedTuple):
    access: str
    refresh: str

    @property
    def expires_in(self) -> int:
        """Seconds that the access token lives."""
        return int(app_settings.JWT_ACCESS_TOKEN_EXPIRES_IN)


@dataclass(frozen=True, slots=True)
class Bearer:
    """Who an access token speaks for.

    expires_at   Unix time
    """

    user: User
    expires_at: float


class TokenStrategy(JWTTokenStrategy):
    """allauth's tokens, bound to the password, and with a session that ends when a refresh token comes twice."""

    def open(self, request: HttpRequest) -> Tokens:
        """Tokens of the session that has just been logged in."""
        self.create_session_token(request)
        payload = self.create_access_token_payload(request)
        return Tokens(payload["access_token"], payload["refresh_token"])

    def get_claims(self, user: User) -> dict[str, Any]:
        return {PASSWORD_CLAIM: _password_mark(user)}

    @transaction.atomic
    def refresh_token(self, refresh_token: str) -> tuple[str, str] | None:
        session = _lock_session(decode_token(refresh_token, "refresh"))
        if session is None:
            return None
        pair = super().refresh_token(refresh_token)
        if pair is None:
            # Signed by us, of an open session, and yet refused: it was used before, so two parties hold it.
            session.delete()
        return pair

    def close(self, *, access_token: str | None, refresh_token: str | None) -> None:
        """End the session of these tokens."""
        claims = [decode_token(token, use) for token, use in ((access_token, "access"), (refresh_token, "refresh")) if token]
        keys = [session_key_from_sid(each["sid"]) for each in claims if each]
        Session.objects.filter(session_key__in=[key for key in keys if key]).delete()


def find_bearer(token: str) -> Bearer | None:
    """The person whom an access token speaks for now; None when it does not count (any more)."""
    claims = decode_token(token, "access")
    session_key = claims and session_key_from_sid(claims["sid"])
    if not claims or not session_key:
        return None
    try:
        user_id = str_to_user_id(claims["sub"])
    except ValidationError:
        return None
    user = next(iter(User.objects.raw(_ACTIVE_USER, [session_key, user_id])), None)
    if user is None or not constant_time_compare(_password_mark(user), str(claims.get(PASSWORD_CLAIM))):
        return None
    return Bearer(user, float(claims["exp"]))


def _password_mark(user: User) -> str:
    """Changes with the password, and tells nothing about it."""
    return user.get_session_auth_hash()[:16]


def _lock_session(claims: dict[str, Any] | None) -> Session | None:
    """Lock the session, so that of two requests with one refresh token only the first finds it unused."""
    key = claims and session_key_from_sid(claims["sid"])
    return Session.objects.select_for_update().filter(session_key=key).first() if key else None
