"""Workspaces over HTTP."""

from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.api.tenancy.serializers import (
    ConfirmQuery,
    PermissionOutput,
    WorkspaceChangeInput,
    WorkspaceDetailOutput,
    WorkspaceInput,
)
from apps.accounts.models import User, Workspace
from apps.accounts.permissions import DESCRIPTIONS, Permission
from apps.accounts.tenancy import members, workspaces
from apps.core.api.pagination import NewestFirst
from apps.core.api.serializers import ErrorSerializer

ERRORS = {403: ErrorSerializer, 404: ErrorSerializer}


def _body(user: User, workspace_id: UUID) -> dict[str, object]:
    return WorkspaceDetailOutput(workspaces.get_listed_workspace(user, workspace_id), context={"user": user}).data


class PermissionsView(APIView):
    @extend_schema(operation_id="list_permissions", tags=["workspaces"], responses=PermissionOutput(many=True))
    def get(self, request: Request) -> Response:
        """Every right that a role can give, each with a sentence."""
        return Response([{"name": permission, "description": DESCRIPTIONS[permission]} for permission in Permission])


class WorkspacesView(APIView):
    pagination_class = NewestFirst

    @extend_schema(operation_id="list_workspaces", tags=["workspaces"], responses=WorkspaceDetailOutput(many=True))
    def get(self, request: Request) -> Response:
        """The workspaces that the caller is in, newest first, with the caller's role and rights in each."""
        pages = self.pagination_class()
        rows = pages.paginate_queryset(workspaces.list_workspaces(request.user), request)
        return pages.get_paginated_response(WorkspaceDetailOutput(rows, many=True, context={"user": request.user}).data)

    @extend_schema(
        operation_id="create_workspace",
        tags=["workspaces"],
        request=WorkspaceInput,
        responses={201: WorkspaceDetailOutput, 403: ErrorSerializer, 422: ErrorSerializer},
    )
    def post(self, request: Request) -> Response:
        """Make an organisation. The caller becomes its owner."""
        workspace = workspaces.create_workspace(owner=request.user, **WorkspaceInput.read_body(request))
        del request.user.access  # it was read before there was a membership
        return Response(_body(request.user, workspace.pk), status=201, headers={"Location": f"{request.path}/{workspace.pk}"})


class WorkspaceView(APIView):
    @extend_schema(operation_id="get_workspace", tags=["workspaces"], responses={200: WorkspaceDetailOutput, **ERRORS})
    def get(self, request: Request, workspace_id: UUID) -> Response:
        """One workspace with the caller's role and rights."""
        return Response(_body(request.user, workspace_id))

    @extend_schema(
        operation_id="update_workspace",
        tags=["workspaces"],
        request=WorkspaceChangeInput,
        responses={200: WorkspaceDetailOutput, 422: ErrorSerializer, **ERRORS},
    )
    def patch(self, request: Request, workspace_id: UUID) -> Response:
        """Rename or describe it."""
        workspace = workspaces.get_listed_workspace(request.user, workspace_id, Permission.WORKSPACE_MANAGE)
        workspaces.update_workspace(workspace=workspace, **WorkspaceChangeInput.read_body(request))
        return Response(WorkspaceDetailOutput(workspace, context={"user": request.user}).data)

    @extend_schema(
        operation_id="delete_workspace",
        tags=["workspaces"],
        parameters=[ConfirmQuery],
        responses={204: None, 409: ErrorSerializer, 422: ErrorSerializer, **ERRORS},
    )
    def delete(self, request: Request, workspace_id: UUID) -> Response:
        """Delete an organisation. One that holds anything is deleted with all of it, where `confirm` is its name. No personal workspace."""
        workspace: Workspace = workspaces.get_listed_workspace(request.user, workspace_id, Permission.WORKSPACE_DELETE)
        workspaces.delete_workspace(workspace=workspace, confirmed_name=ConfirmQuery.read_query(request)["confirm"])
        return Response(status=204)


class LeaveView(APIView):
    @extend_schema(operation_id="leave_workspace", tags=["workspaces"], request=None, responses={204: None, 409: ErrorSerializer, **ERRORS})
    def post(self, request: Request, workspace_id: UUID) -> Response:
        """Stop being a member. The last owner cannot. What was shared with the caller in this workspace ends too."""
        workspace = workspaces.get_listed_workspace(request.user, workspace_id)
        members.remove_member(actor=request.user, workspace=workspace, user_id=request.user.pk)
        return Response(status=204)
