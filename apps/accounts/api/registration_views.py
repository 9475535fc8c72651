"""Registering, confirming addresses, passwords, and logging in by another provider."""

from django.conf import settings
from django.http import HttpResponseBase
from django.urls import reverse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts import flows, oidc, registration
from apps.accounts.api.authentication import IsLoggedIn, SessionAuthentication, own_session
from apps.accounts.api.public import LOGIN_ANSWERS, NO_STORE, PublicView, answer, tokens_json
from apps.accounts.api.serializers import (
    EmailInput,
    KeyInput,
    LoginOptionsOutput,
    PasswordChangeInput,
    PasswordResetInput,
    RegisterInput,
    RegisterOutput,
    TokensOutput,
)
from apps.core.api.serializers import ErrorSerializer

_LIMITED = {422: ErrorSerializer, 429: ErrorSerializer}


class LoginOptionsView(PublicView):
    @extend_schema(operation_id="login_options", tags=["auth"], responses=LoginOptionsOutput)
    def get(self, request: Request) -> Response:
        """What a login page can offer."""
        providers = [{"id": oidc.PROVIDER, "name": settings.OIDC_NAME, "login_url": reverse("oidc_login")}] if settings.OIDC_ISSUER else []
        return Response({"is_registration_open": settings.REGISTRATION_OPEN, "providers": providers})


class RegisterView(PublicView):
    @extend_schema(
        operation_id="register",
        tags=["auth"],
        request=RegisterInput,
        responses={201: RegisterOutput, 403: ErrorSerializer, **_LIMITED},
    )
    def post(self, request: Request) -> Response:
        """Make an account. A mail with a key goes to the address; where `step` says so, it must come back before one can log in."""
        tokens = registration.register(request._request, **RegisterInput.read_body(request))
        body = {"step": None, "tokens": tokens_json(tokens)} if tokens else {"step": "verify_email", "tokens": None}
        return Response(body, status=201, headers=NO_STORE)


class VerifyEmailView(PublicView):
    @extend_schema(operation_id="verify_email", tags=["auth"], request=KeyInput, responses={204: None, **_LIMITED})
    def post(self, request: Request) -> Response:
        """Confirm an address by the key that was sent there."""
        registration.confirm_email(request._request, key=KeyInput.read_body(request)["key"])
        return Response(status=204)


class PasswordResetView(PublicView):
    @extend_schema(operation_id="request_password_reset", tags=["auth"], request=EmailInput, responses={204: None, **_LIMITED})
    def post(self, request: Request) -> Response:
        """Send a key to set a new password with. The answer does not tell whether there is such an account."""
        registration.request_password_reset(request._request, email=EmailInput.read_body(request)["email"])
        return Response(status=204)


class PasswordResetConfirmView(PublicView):
    @extend_schema(operation_id="reset_password", tags=["auth"], request=PasswordResetInput, responses={204: None, **_LIMITED})
    def post(self, request: Request) -> Response:
        """Set a new password by the key out of the mail. All sessions of the account end."""
        registration.reset_password(request._request, **PasswordResetInput.read_body(request))
        return Response(status=204)


class PasswordChangeView(APIView):
    permission_classes = (IsLoggedIn,)

    @extend_schema(
        operation_id="change_password",
        tags=["auth"],
        request=PasswordChangeInput,
        responses={200: TokensOutput, 403: ErrorSerializer, **_LIMITED},
    )
    def post(self, request: Request) -> Response:
        """Set a new password. All other sessions end, and so do the tokens of this one: the answer has new ones."""
        data = PasswordChangeInput.read_body(request)
        with own_session(request) as http:
            return answer(registration.change_password(http, user=request.user, current=data["current"], new=data["new"]))


class SessionTokensView(APIView):
    """Reads the cookie, and wants the CSRF token, so that no other site can ask."""

    authentication_classes = (SessionAuthentication,)
    permission_classes = (AllowAny,)

    @extend_schema(operation_id="session_tokens", tags=["auth"], request=None, responses=LOGIN_ANSWERS)
    def post(self, request: Request) -> Response:
        """Tokens for the session of the browser's cookie, as after a login by a provider. 401 as /auth/login, where a step remains."""
        with flows.as_flow(request._request):
            return answer(flows.login_result(request._request))


_NEXT = OpenApiParameter("next", OpenApiTypes.STR, description="The path to come back to, with `?error=` if it fails.", default="/")


class OidcLoginView(PublicView):
    @extend_schema(operation_id="oidc_login", tags=["auth"], parameters=[_NEXT], responses={302: None, 404: ErrorSerializer, **_LIMITED})
    def get(self, request: Request) -> HttpResponseBase:
        """For a browser: go to the provider. It comes back with a session cookie; /auth/session then has tokens."""
        return oidc.to_provider(request._request, next_path=request.query_params.get("next", "/"))


class OidcCallbackView(PublicView):
    @extend_schema(operation_id="oidc_callback", tags=["auth"], responses={302: None, 404: ErrorSerializer, 429: ErrorSerializer})
    def get(self, request: Request, provider_id: str) -> HttpResponseBase:
        """Where the provider sends the browser back to."""
        return oidc.from_provider(request._request)
