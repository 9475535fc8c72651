"""Who sends a request: by access token, or by the session cookie of a browser."""

from django.contrib.auth.models import AnonymousUser
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.authentication import SessionAuthentication as DjangoSessionAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from apps.accounts.models import User
from apps.accounts.tokens import Bearer, find_bearer
from apps.core import fence

SCHEME = b"bearer"


def bearer_token(request: Request) -> str | None:
    """The token of `Authorization: Bearer …`; None when there is no such header."""
    scheme, _, token = get_authorization_header(request).partition(b" ")
    return token.strip().decode("latin-1") if scheme.lower() == SCHEME else None


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


class SessionAuthentication(Fenced, DjangoSessionAuthentication):
    """The session cookie of a browser; requests that write also need the CSRF token."""

    def find(self, request: Request) -> tuple[User | AnonymousUser, None] | None:
        # Without a cookie there is no session to ask the database for.
        return DjangoSessionAuthentication.authenticate(self, request) if request.COOKIES else None


class _TokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = TokenAuthentication
    name = "token"

    def get_security_definition(self, auto_schema: object) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}


class _SessionScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = SessionAuthentication
    name = "session"

    def get_security_definition(self, auto_schema: object) -> dict[str, str]:
        return {"type": "apiKey", "in": "cookie", "name": "sessionid"}
