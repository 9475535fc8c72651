"""Roles of a workspace over HTTP."""

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.api.tenancy.serializers import RoleChangeInput, RoleInput, RoleOutput, own_role_output
from apps.accounts.permissions import BUILT_IN_ROLES, ROLE_DESCRIPTIONS, Permission
from apps.accounts.queries import get_workspace
from apps.accounts.tenancy import roles
from apps.core.api.serializers import ErrorSerializer

ERRORS = {403: ErrorSerializer, 404: ErrorSerializer}
REFUSED = {409: ErrorSerializer, 422: ErrorSerializer, **ERRORS}


def _built_in() -> list[dict[str, Any]]:
    return [
        {
            "id": name,
            "name": name,
            "description": ROLE_DESCRIPTIONS[name],
            "is_built_in": True,
            "permissions": sorted(permissions),
            "member_count": None,
        }
        for name, permissions in BUILT_IN_ROLES.items()
    ]


class RolesView(APIView):
    @extend_schema(operation_id="list_roles", tags=["workspaces"], responses={200: RoleOutput(many=True), **ERRORS})
    def get(self, request: Request, workspace_id: UUID) -> Response:
        """The built-in roles, then the workspace's own."""
        workspace = get_workspace(request.user, workspace_id, Permission.MEMBER_VIEW)
        own = [own_role_output(role) for role in roles.list_roles(request.user, workspace)]
        return Response(RoleOutput([*_built_in(), *own], many=True).data)

    @extend_schema(operation_id="create_role", tags=["workspaces"], request=RoleInput, responses={201: RoleOutput, **REFUSED})
    def post(self, request: Request, workspace_id: UUID) -> Response:
        """Make a role, of rights that the caller has."""
        workspace = get_workspace(request.user, workspace_id, Permission.ROLE_MANAGE)
        role = roles.create_role(actor=request.user, workspace=workspace, **RoleInput.read_body(request))
        return Response(own_role_output(role), status=201, headers={"Location": f"{request.path}/{role.pk}"})


class RoleView(APIView):
    @extend_schema(operation_id="get_role", tags=["workspaces"], responses={200: RoleOutput, **ERRORS})
    def get(self, request: Request, workspace_id: UUID, role_id: UUID) -> Response:
        """One of the workspace's own roles."""
        workspace = get_workspace(request.user, workspace_id, Permission.MEMBER_VIEW)
        return Response(own_role_output(roles.get_role(request.user, workspace, role_id)))

    @extend_schema(operation_id="update_role", tags=["workspaces"], request=RoleChangeInput, responses={200: RoleOutput, **REFUSED})
    def patch(self, request: Request, workspace_id: UUID, role_id: UUID) -> Response:
        """Change a role, and with it the rights of everybody who has it."""
        workspace = get_workspace(request.user, workspace_id, Permission.ROLE_MANAGE)
        role = roles.get_role(request.user, workspace, role_id)
        return Response(own_role_output(roles.update_role(actor=request.user, role=role, **RoleChangeInput.read_body(request))))

    @extend_schema(operation_id="delete_role", tags=["workspaces"], responses={204: None, 409: ErrorSerializer, **ERRORS})
    def delete(self, request: Request, workspace_id: UUID, role_id: UUID) -> Response:
        """Delete a role that no member has and no open invitation promises."""
        workspace = get_workspace(request.user, workspace_id, Permission.ROLE_MANAGE)
        roles.delete_role(actor=request.user, role=roles.get_role(request.user, workspace, role_id))
        return Response(status=204)
