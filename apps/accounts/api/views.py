"""Logging in and out, and who one is."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts import actions, profile, queries
from apps.accounts.api.authentication import IsLoggedIn, bearer_token, own_session, session_key_of
from apps.accounts.api.public import LOGIN_ANSWERS, PublicView, answer
from apps.accounts.api.serializers import (
    EndedOutput,
    LoginInput,
    LogoutInput,
    MeOutput,
    ProfileInput,
    ProfileOutput,
    RefreshInput,
    SessionOutput,
    SessionsOutput,
    UserOutput,
)
from apps.accounts.models import User
from apps.core.api.serializers import ErrorSerializer


class LoginView(PublicView):
    @extend_schema(operation_id="login", tags=["auth"], request=LoginInput, responses=LOGIN_ANSWERS)
    def post(self, request: Request) -> Response:
        """Log in with username and password. Failed tries are limited by name and by address.

        401 with code `further_step` means that they are right and something else is needed: `details.step` says what.
        """
        data = LoginInput.read_body(request)
        return answer(actions.log_in(request._request, username=data["username"], password=data["password"]))


class RefreshView(PublicView):
    @extend_schema(operation_id="refresh", tags=["auth"], request=RefreshInput, responses=LOGIN_ANSWERS)
    def post(self, request: Request) -> Response:
        """Exchange a refresh token for new tokens. It counts once: the second use of one ends the session."""
        return answer(actions.refresh(request._request, refresh_token=RefreshInput.read_body(request)["refresh"]))


class LogoutView(PublicView):
    @extend_schema(operation_id="logout", tags=["auth"], request=LogoutInput, responses={204: None})
    def post(self, request: Request) -> Response:
        """End the session of the access token in the header, or of the refresh token in the body. Its access tokens stop at once."""
        data = LogoutInput.read_body(request)
        actions.log_out(refresh_token=data["refresh"], access_token=bearer_token(request))
        return Response(status=204)


class _ChangesNeedLogin(IsLoggedIn):
    def has_permission(self, request: Request, view: APIView) -> bool:
        # Anybody may ask who they are, through a key too.
        return bool(request.user and request.user.is_authenticated) if request.method == "GET" else super().has_permission(request, view)


class MeView(APIView):
    permission_classes = (_ChangesNeedLogin,)

    @extend_schema(operation_id="me", tags=["users"], responses=MeOutput)
    def get(self, request: Request) -> Response:
        """Who the caller is."""
        return Response(_me(request.user))

    @extend_schema(
        operation_id="update_me",
        tags=["users"],
        request=ProfileInput,
        responses={200: ProfileOutput, 403: ErrorSerializer, 422: ErrorSerializer},
    )
    def patch(self, request: Request) -> Response:
        """Change what one says of oneself.

        An address needs /auth/reauthenticate first, and counts once it is confirmed; one that waits for that gets its mail anew.
        """
        data = ProfileInput.read_body(request)
        email = data.pop("email", None)
        if email is not None:
            with own_session(request) as http:
                profile.change_email(http, email=email)
        profile.update_profile(user=request.user, changes=data)
        return Response({**_me(request.user), "pending_email": profile.find_pending_email(request.user)})


def _me(user: User) -> dict[str, Any]:
    workspace = queries.personal_workspace(user)
    return {**UserOutput(user).data, "workspace": {"id": workspace.id, "name": workspace.name}}


class SessionsView(APIView):
    permission_classes = (IsLoggedIn,)

    @extend_schema(operation_id="list_sessions", tags=["users"], responses=SessionsOutput)
    def get(self, request: Request) -> Response:
        """Where the caller is logged in, the newest use first."""
        found = profile.list_sessions(request.user, current_key=session_key_of(request))
        return Response({"results": SessionOutput(found, many=True).data})

    @extend_schema(operation_id="end_other_sessions", tags=["users"], responses={200: EndedOutput})
    def delete(self, request: Request) -> Response:
        """End all sessions of the caller but this one."""
        return Response({"ended": profile.end_sessions(user=request.user, besides=session_key_of(request))})


class SessionView(APIView):
    permission_classes = (IsLoggedIn,)

    @extend_schema(operation_id="end_session", tags=["users"], responses={204: None, 404: ErrorSerializer})
    def delete(self, request: Request, session_id: Any) -> Response:
        """End one session; its tokens stop at once."""
        profile.end_session(user=request.user, session_id=session_id)
        return Response(status=204)
