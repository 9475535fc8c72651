"""Access and refresh tokens: allauth makes them, and this module checks them at the price of one query.

An access token counts while its signature and time hold, its person is active and has the password it was made for, and its session
is open. So a logout, a new password or a deactivation stops it with the next request, not when it expires.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple
from uuid import UUID

from allauth.account.internal.userkit import str_to_user_id
from allauth.headless import app_settings
from allauth.headless.tokens.strategies.jwt import JWTTokenStrategy
from allauth.headless.tokens.strategies.jwt.internal import decode_token, session_key_from_sid
from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.http import HttpRequest
from django.utils.crypto import constant_time_compare

from apps.accounts.access import ACCESS_COLUMNS, access_from
from apps.accounts.models import LoginSession, User
from apps.core import audit
from apps.core.audit import Verb

PASSWORD_CLAIM = "pwd"  # noqa: S105  # the name of a claim
# A key that signs for something else as well makes no tokens for us.
FOR_US = {"iss": "structforge", "aud": "structforge-api"}

USER_COLUMNS = [field.attname for field in User._meta.concrete_fields]
SELECT_USER = f"{', '.join(f'u.{column}' for column in USER_COLUMNS)}, {ACCESS_COLUMNS}"
"""Columns beside a row `u` of accounts_user, from which `user_of` makes the person."""
# One statement for what would be two queries and a decoded session; written out, since it is part of every request.
_ACTIVE_USER = f"""
    select {SELECT_USER}
      from accounts_user u join login_session s on s.user_id = u.id and s.session_key = %s and s.expire_date > now()
     where u.id = %s and u.is_active
"""  # noqa: S608  # names of columns, from the model
# Signatures and sessions of tokens that were checked before; times and the person are looked at every time.
_READ_TOKENS = 4096


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

    expires_at    Unix time
    session_key   of the session that it belongs to; a secret
    """

    user: User
    expires_at: float
    session_key: str


class TokenStrategy(JWTTokenStrategy):
    """allauth's tokens, bound to the password, and with a session that ends when a refresh token comes twice."""

    def open(self, request: HttpRequest) -> Tokens:
        """Tokens of the session that has just been logged in."""
        self.create_session_token(request)
        payload = self.create_access_token_payload(request)
        return Tokens(payload["access_token"], payload["refresh_token"])

    def get_claims(self, user: User) -> dict[str, Any]:
        return {**FOR_US, PASSWORD_CLAIM: _password_mark(user)}

    @transaction.atomic
    def refresh_token(self, refresh_token: str) -> tuple[str, str] | None:
        session = _lock_session(decode_token(refresh_token, "refresh"))
        if session is None:
            return None
        pair = super().refresh_token(refresh_token)
        if pair is None:
            # Signed by us, of an open session, and yet refused: it was used before, so two parties hold it.
            session.delete()
            said = {"session": session.login_id, "reason": "a refresh token came twice"}
            audit.record(Verb.SESSION_ENDED, session.user, personal_of=session.user_id, before=said)
        return pair

    def close(self, *, access_token: str | None, refresh_token: str | None) -> set[UUID]:
        """End the sessions of these tokens. Returns whose were open until now."""
        claims = [decode_token(token, use) for token, use in ((access_token, "access"), (refresh_token, "refresh")) if token]
        keys = {session_key_from_sid(each["sid"]) for each in claims if each} - {None}
        ended = LoginSession.objects.select_for_update().filter(session_key__in=keys)
        owners = dict(ended.values_list("pk", "user_id"))
        LoginSession.objects.filter(pk__in=owners).delete()
        return set(owners.values()) - {None}


@dataclass(frozen=True, slots=True)
class _Claims:
    """What a sound access token says; expires_at is Unix time."""

    session_key: str
    user_id: UUID
    password_mark: str
    expires_at: float


def find_bearer(token: str) -> Bearer | None:
    """The person whom an access token speaks for now; None when it does not count (any more)."""
    claims = _read(token)
    if claims is None or claims.expires_at <= time.time():
        return None
    with connection.cursor() as cursor:
        cursor.execute(_ACTIVE_USER, [claims.session_key, claims.user_id])
        row = cursor.fetchone()
    if row is None:
        return None
    user = user_of(row)
    return (
        Bearer(user, claims.expires_at, claims.session_key) if constant_time_compare(_password_mark(user), claims.password_mark) else None
    )


def user_of(row: Sequence[Any]) -> User:
    """The person, with rights, whom a row that begins with SELECT_USER tells of."""
    user = User.from_db(connection.alias, USER_COLUMNS, row[: len(USER_COLUMNS)])
    user.access = access_from(user, *row[len(USER_COLUMNS) : len(USER_COLUMNS) + 2])
    return user


@lru_cache(_READ_TOKENS)
def _read(token: str) -> _Claims | None:
    """Check the signature and open the claims; None where something is wrong with them."""
    claims = decode_token(token, "access")
    session_key = claims and session_key_from_sid(claims["sid"])
    if not claims or not session_key or any(claims.get(name) != value for name, value in FOR_US.items()):
        return None
    try:
        return _Claims(session_key, str_to_user_id(claims["sub"]), str(claims.get(PASSWORD_CLAIM)), float(claims["exp"]))
    except ValidationError:
        return None


def _password_mark(user: User) -> str:
    """Changes with the password, and tells nothing about it."""
    return user.get_session_auth_hash()[:16]


def _lock_session(claims: dict[str, Any] | None) -> LoginSession | None:
    """Lock the session, so that of two requests with one refresh token only the first finds it unused."""
    key = claims and session_key_from_sid(claims["sid"])
    return LoginSession.objects.select_for_update().filter(session_key=key).first() if key else None
