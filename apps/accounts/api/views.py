"""Logging in and out, and who one is."""

from drf_spectacular.utils import extend_schema
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts import actions, queries
from apps.accounts.api.authentication import bearer_token
from apps.accounts.api.serializers import LoginInput, LogoutInput, MeOutput, RefreshInput, TokensOutput, UserOutput
from apps.accounts.tokens import Tokens
from apps.core.api.serializers import ErrorSerializer


def _answer(tokens: Tokens) -> Response:
    body = {"access": tokens.access, "refresh": tokens.refresh, "token_type": "Bearer", "expires_in": tokens.expires_in}
    return Response(body, headers={"Cache-Control": "no-store"})


class PublicView(APIView):
    """Open to everybody: it reads tokens from the body, and no cookie, so that no other site can act through it."""

    authentication_classes = ()
    permission_classes = (AllowAny,)


class LoginView(PublicView):
    @extend_schema(
        operation_id="login", tags=["auth"], request=LoginInput, responses={200: TokensOutput, 401: ErrorSerializer, 429: ErrorSerializer}
    )
    def post(self, request: Request) -> Response:
        """Log in with username and password. Failed tries are limited by name and by address."""
        data = LoginInput.read_body(request)
        return _answer(actions.log_in(request._request, username=data["username"], password=data["password"]))


class RefreshView(PublicView):
    @extend_schema(operation_id="refresh", tags=["auth"], request=RefreshInput, responses={200: TokensOutput, 401: ErrorSerializer})
    def post(self, request: Request) -> Response:
        """Exchange a refresh token for new tokens. It counts once: the second use of one ends the session."""
        return _answer(actions.refresh(refresh_token=RefreshInput.read_body(request)["refresh"]))


class LogoutView(PublicView):
    @extend_schema(operation_id="logout", tags=["auth"], request=LogoutInput, responses={204: None})
    def post(self, request: Request) -> Response:
        """End the session of the access token in the header, or of the refresh token in the body. Its access tokens stop at once."""
        data = LogoutInput.read_body(request)
        actions.log_out(refresh_token=data["refresh"], access_token=bearer_token(request))
        return Response(status=204)


class MeView(APIView):
    @extend_schema(operation_id="me", tags=["users"], responses=MeOutput)
    def get(self, request: Request) -> Response:
        """Who the caller is."""
        workspace = queries.personal_workspace(request.user)
        return Response({**UserOutput(request.user).data, "workspace": {"id": workspace.id, "name": workspace.name}})
