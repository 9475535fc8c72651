"""Who is at the other end of a WebSocket, asked again and again while it is open."""

from collections.abc import Callable, Mapping
from typing import Any

from channels.auth import AuthMiddlewareStack
from channels.security.websocket import AllowedHostsOriginValidator
from django.contrib.auth import get_user
from django.http import HttpRequest

from apps.accounts.api_keys import PREFIX, find_key
from apps.accounts.models import User
from apps.accounts.sessions import SessionStore
from apps.accounts.tokens import find_bearer

# Says who the person is now; None once the token has expired or was withdrawn, or the person may not log in any more.
WhoNow = Callable[[], User | None]


def by_token(token: str) -> WhoNow:
    def who() -> User | None:
        bearer = find_key(token) if token.startswith(PREFIX) else find_bearer(token)
        return bearer.user if bearer else None

    return who


def by_session(session_key: str) -> WhoNow:
    def who() -> User | None:
        request = HttpRequest()
        request.session = SessionStore(session_key)
        user = get_user(request)
        return user if isinstance(user, User) else None

    return who


def brought_by(scope: Mapping[str, Any]) -> WhoNow | None:
    """What the handshake itself brings: an `Authorization: Bearer` header, else a session cookie.

    A query string is not looked at, since those end in access logs.
    """
    header = dict(scope["headers"]).get(b"authorization", b"").decode("latin-1")
    scheme, _, token = header.partition(" ")
    if scheme.lower() == "bearer":
        return by_token(token.strip())
    user = scope.get("user")
    if user is not None and user.is_authenticated:
        return by_session(scope["session"].session_key)
    return None


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
