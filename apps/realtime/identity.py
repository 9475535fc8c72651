"""Who is at the other end of a WebSocket."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from allauth.headless.tokens.strategies.jwt.internal import validate_access_token
from channels.auth import AuthMiddlewareStack
from channels.security.websocket import AllowedHostsOriginValidator
from django.contrib.auth import get_user_model

from apps.accounts.models import User


@dataclass(frozen=True, slots=True)
class Identity:
    """A person, and until when they are known to be one.

    expires_at   Unix time of the token's end; None for a session cookie
    """

    user: User
    expires_at: float | None = None

    @property
    def has_expired(self) -> bool:
        return self.expires_at is not None and self.expires_at <= time.time()


def find_by_token(token: str) -> Identity | None:
    """The person of an access token; None when it is not one of ours, has expired, or its person may not log in any more."""
    if (valid := validate_access_token(token)) is None:
        return None
    claims = valid[1]
    user = get_user_model().objects.filter(pk=claims["sub"], is_active=True).first()
    return Identity(user, float(claims["exp"])) if user else None


def find_bearer_token(scope: Mapping[str, Any]) -> str | None:
    """The token of an `Authorization: Bearer` header. A query string is not looked at, since those end in access logs."""
    header = dict(scope["headers"]).get(b"authorization", b"").decode("latin-1")
    scheme, _, token = header.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def find_by_cookie(scope: Mapping[str, Any]) -> Identity | None:
    user = scope.get("user")
    return Identity(user) if user is not None and user.is_authenticated and user.is_active else None


class OriginGuard:
    """Outermost: a browser must come from one of our own pages, and only then does its session cookie count.

    Browsers say where they come from and CORS does not cover WebSockets, so a foreign page could otherwise use the cookie of who visits it.
    Programs that send no Origin are let through, without a cookie: they bring a token.
    """

    def __init__(self, application: Any) -> None:
        self._program = application
        self._browser = AllowedHostsOriginValidator(AuthMiddlewareStack(application))

    async def __call__(self, scope: Mapping[str, Any], receive: Any, send: Any) -> None:
        has_origin = any(name == b"origin" for name, _ in scope["headers"])
        await (self._browser if has_origin else self._program)(scope, receive, send)
