"""Who sends a request: by access token, by API key, or by the session cookie of a browser."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.authentication import SessionAuthentication as DjangoSessionAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request

from apps.accounts.api_keys import PREFIX, KeyBearer, find_key
from apps.accounts.flows import as_flow, session_of
from apps.accounts.models import User
from apps.accounts.tokens import Bearer, find_bearer
from apps.core import fence
from apps.engine.errors import ForbiddenError

SCHEME = b"bearer"
KEY_SCHEME = b"api-key"


class LoginNeededError(ForbiddenError):
    """An API key speaks for its owner's work, not for the account itself."""

    code = "login_needed"


def _authorization(request: Request) -> tuple[bytes, str]:
    """Scheme, in small letters, and the rest."""
    scheme, _, token = get_authorization_header(request).partition(b" ")
    return scheme.lower(), token.strip().decode("latin-1")


def bearer_token(request: Request) -> str | None:
    """The token of `Authorization: Bearer …`; None when there is no such header, or an API key in it."""
    scheme, token = _authorization(request)
    return token if scheme == SCHEME and not token.startswith(PREFIX) else None


def api_key(request: Request) -> str | None:
    """The key of `Authorization: Bearer sf_…` or `Authorization: Api-Key …`."""
    scheme, token = _authorization(request)
    return token if scheme == KEY_SCHEME or (scheme == SCHEME and token.startswith(PREFIX)) else None


class Fenced(BaseAuthentication):
    """Base of every way to say who sends a request: from there on PostgreSQL itself shows the request only what that person may reach.

    `FenceMiddleware` takes the fence down after the request.
    """

    def authenticate(self, request: Request) -> tuple[User | AnonymousUser, Bearer | None] | None:
        found = self.find(request)
        if found is not None and isinstance(user := found[0], User):
            fence.put_up(user.access.as_caller())
        return found

    def find(self, request: Request) -> tuple[User | AnonymousUser, Bearer | None] | None:
        """As DRF's `authenticate`."""
        raise NotImplementedError


class TokenAuthentication(Fenced):
    """`Authorization: Bearer <access token>`."""

    def find(self, request: Request) -> tuple[User, Bearer] | None:
        token = bearer_token(request)
        if token is None:
            return None
        bearer = find_bearer(token)
        if bearer is None:
            raise AuthenticationFailed("The access token is not valid, or has expired.", code="token_not_valid")
        return bearer.user, bearer

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


class ApiKeyAuthentication(Fenced):
    """`Authorization: Bearer sf_…`, or `Authorization: Api-Key sf_…`. The rights are those of the key."""

    def find(self, request: Request) -> tuple[User, KeyBearer] | None:
        key = api_key(request)
        if key is None:
            return None
        bearer = find_key(key)
        if bearer is None:
            raise AuthenticationFailed("The API key is not valid, has expired, or was revoked.", code="api_key_not_valid")
        return bearer.user, bearer

    def authenticate_header(self, request: Request) -> str:
        return "Api-Key"


class SessionAuthentication(Fenced, DjangoSessionAuthentication):
    """The session cookie of a browser; requests that write also need the CSRF token."""

    def find(self, request: Request) -> tuple[User | AnonymousUser, None] | None:
        # Without a cookie there is no session to ask the database for.
        return DjangoSessionAuthentication.authenticate(self, request) if request.COOKIES else None


class IsLoggedIn(IsAuthenticated):
    """Whoever has logged in; an API key has not. For all that is about the account itself: whoever finds a key shall not take it over."""

    def has_permission(self, request: Request, view: object) -> bool:
        if isinstance(request.auth, KeyBearer):
            raise LoginNeededError("An API key cannot do this. Log in.")
        return super().has_permission(request, view)


@contextmanager
def own_session(request: Request) -> Iterator[HttpRequest]:
    """Let a flow of allauth work on the session in which the caller is logged in: that of the token, or of the cookie."""
    http: HttpRequest = request._request
    if isinstance(request.auth, Bearer):
        with session_of(http, request.auth.session_key, request.user):
            yield http
    else:
        with as_flow(http):
            yield http


def session_key_of(request: Request) -> str | None:
    """The key of the session in which the caller is logged in."""
    return request.auth.session_key if isinstance(request.auth, Bearer) else request._request.session.session_key


class _TokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = TokenAuthentication
    name = "token"

    def get_security_definition(self, auto_schema: object) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}


class _ApiKeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = ApiKeyAuthentication
    name = "api_key"

    def get_security_definition(self, auto_schema: object) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "bearerFormat": "sf_…"}


class _SessionScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = SessionAuthentication
    name = "session"

    def get_security_definition(self, auto_schema: object) -> dict[str, str]:
        return {"type": "apiKey", "in": "cookie", "name": "sessionid"}
