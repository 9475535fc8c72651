"""Invitations over HTTP: those that a workspace sends, and those that a person has."""

from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.api.tenancy.serializers import (
    AcceptInput,
    InvitationInput,
    InvitationOutput,
    OwnInvitationOutput,
    WorkspaceNameOutput,
)
from apps.accounts.permissions import Permission
from apps.accounts.queries import get_workspace
from apps.accounts.tenancy import invitations
from apps.accounts.tenancy.invitations import MakeLink
from apps.core.api.pagination import NewestFirst
from apps.core.api.serializers import ErrorSerializer

ERRORS = {403: ErrorSerializer, 404: ErrorSerializer}
REFUSED = {409: ErrorSerializer, 422: ErrorSerializer, **ERRORS}


def _link(request: Request) -> MakeLink:
    # What follows a # is sent to no server, and so stands in no log.
    return lambda token: request.build_absolute_uri(f"/accept-invitation#token={token}")


class InvitationsView(APIView):
    pagination_class = NewestFirst

    @extend_schema(operation_id="list_invitations", tags=["workspaces"], responses={200: InvitationOutput(many=True), **ERRORS})
    def get(self, request: Request, workspace_id: UUID) -> Response:
        """Whom the workspace has invited, newest first."""
        workspace = get_workspace(request.user, workspace_id, Permission.MEMBER_MANAGE)
        pages = self.pagination_class()
        rows = pages.paginate_queryset(invitations.list_invitations(request.user, workspace), request)
        return pages.get_paginated_response(InvitationOutput(rows, many=True).data)

    @extend_schema(
        operation_id="create_invitation", tags=["workspaces"], request=InvitationInput, responses={201: InvitationOutput, **REFUSED}
    )
    def post(self, request: Request, workspace_id: UUID) -> Response:
        """Invite somebody by address or username, for seven days. The answer is the same whether there is such an account or not."""
        workspace = get_workspace(request.user, workspace_id, Permission.MEMBER_MANAGE)
        data = InvitationInput.read_body(request)
        invitation = invitations.invite(actor=request.user, workspace=workspace, make_link=_link(request), **data)
        return Response(InvitationOutput(invitation).data, status=201)


class InvitationView(APIView):
    @extend_schema(operation_id="revoke_invitation", tags=["workspaces"], responses={204: None, 409: ErrorSerializer, **ERRORS})
    def delete(self, request: Request, workspace_id: UUID, invitation_id: UUID) -> Response:
        """Take an invitation back."""
        workspace = get_workspace(request.user, workspace_id, Permission.MEMBER_MANAGE)
        invitations.revoke(invitation=invitations.get_invitation(request.user, workspace, invitation_id))
        return Response(status=204)


class ResendView(APIView):
    @extend_schema(
        operation_id="resend_invitation",
        tags=["workspaces"],
        request=None,
        responses={200: InvitationOutput, 409: ErrorSerializer, **ERRORS},
    )
    def post(self, request: Request, workspace_id: UUID, invitation_id: UUID) -> Response:
        """Send the mail again, with a new token for seven days; the one before counts no more."""
        workspace = get_workspace(request.user, workspace_id, Permission.MEMBER_MANAGE)
        invitation = invitations.get_invitation(request.user, workspace, invitation_id)
        sent = invitations.resend(actor=request.user, invitation=invitation, make_link=_link(request))
        return Response(InvitationOutput(sent).data)


class OwnInvitationsView(APIView):
    @extend_schema(operation_id="list_own_invitations", tags=["workspaces"], responses=OwnInvitationOutput(many=True))
    def get(self, request: Request) -> Response:
        """Open invitations for the caller: by username, or by an address of the caller's that was confirmed."""
        return Response(OwnInvitationOutput(invitations.invitations_for(request.user), many=True).data)


class AcceptView(APIView):
    @extend_schema(
        operation_id="accept_invitation", tags=["workspaces"], request=AcceptInput, responses={200: WorkspaceNameOutput, **REFUSED}
    )
    def post(self, request: Request) -> Response:
        """Become a member, by the token of a mail or by an invitation that the caller's own list has. It counts once."""
        data = AcceptInput.read_body(request)
        if data["token"]:
            workspace = invitations.accept(user=request.user, token=data["token"])
        else:
            workspace = invitations.accept_listed(user=request.user, invitation_id=data["invitation"])
        return Response({"id": workspace.pk, "name": workspace.name})
