"""Members of a workspace over HTTP."""

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.api.tenancy.serializers import MemberChangeInput, MemberOutput
from apps.accounts.models import User
from apps.accounts.permissions import Permission
from apps.accounts.queries import get_workspace
from apps.accounts.tenancy import members
from apps.accounts.tenancy.workspaces import get_listed_workspace
from apps.core.api.pagination import NewestFirst
from apps.core.api.serializers import ErrorSerializer

ERRORS = {403: ErrorSerializer, 404: ErrorSerializer}


def _context(user: User, workspace_id: UUID) -> dict[str, Any]:
    return {"shows_addresses": user.access.allows(workspace_id, Permission.MEMBER_MANAGE)}


class MembersView(APIView):
    pagination_class = NewestFirst

    @extend_schema(operation_id="list_members", tags=["workspaces"], responses={200: MemberOutput(many=True), **ERRORS})
    def get(self, request: Request, workspace_id: UUID) -> Response:
        """Who is in the workspace and as what, newest first."""
        workspace = get_workspace(request.user, workspace_id, Permission.MEMBER_VIEW)
        pages = self.pagination_class()
        rows = pages.paginate_queryset(members.list_members(request.user, workspace), request)
        return pages.get_paginated_response(MemberOutput(rows, many=True, context=_context(request.user, workspace_id)).data)


class MemberView(APIView):
    @extend_schema(
        operation_id="update_member",
        tags=["workspaces"],
        request=MemberChangeInput,
        responses={200: MemberOutput, 409: ErrorSerializer, 422: ErrorSerializer, **ERRORS},
    )
    def patch(self, request: Request, workspace_id: UUID, user_id: UUID) -> Response:
        """Give a member another role. Nobody gives or takes rights that they lack, and the last owner stays one."""
        workspace = get_workspace(request.user, workspace_id, Permission.MEMBER_MANAGE)
        role = MemberChangeInput.read_body(request)["role"]
        membership = members.change_role(actor=request.user, workspace=workspace, user_id=user_id, role=role)
        return Response(MemberOutput(membership, context=_context(request.user, workspace_id)).data)

    @extend_schema(operation_id="remove_member", tags=["workspaces"], responses={204: None, 409: ErrorSerializer, **ERRORS})
    def delete(self, request: Request, workspace_id: UUID, user_id: UUID) -> Response:
        """Remove a member, or oneself. Their places in teams and what was shared with them in this workspace end too."""
        workspace = get_listed_workspace(request.user, workspace_id)
        members.remove_member(actor=request.user, workspace=workspace, user_id=user_id)
        return Response(status=204)
