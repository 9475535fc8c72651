"""Limits and what is used of them over HTTP. Everybody sees their own; operators set them."""

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.models import User
from apps.accounts.permissions import Permission
from apps.accounts.queries import get_workspace
from apps.core.api.pagination import NewestFirst
from apps.core.api.serializers import ErrorSerializer
from apps.core.quotas import QuotaName
from apps.engine.errors import NotFoundError
from apps.quotas import actions, queries
from apps.quotas.api.serializers import QuotaInput, QuotaOutput, UseOutput, UsesOutput
from apps.quotas.queries import Use


class UserNotFoundError(NotFoundError):
    code = "user_not_found"


class IsOperator(IsAuthenticated):
    """Operators of the installation. A key narrows its owner's rights to one workspace, and so has none of these."""

    message = "This is for operators of the installation."

    def has_permission(self, request: Request, view: Any) -> bool:
        return super().has_permission(request, view) and request.user.access.is_operator


def _shown(uses: list[Use]) -> Response:
    return Response({"results": UseOutput(uses, many=True).data})


class WorkspaceQuotasView(APIView):
    @extend_schema(
        operation_id="list_workspace_quotas", tags=["quotas"], responses={200: UsesOutput, 403: ErrorSerializer, 404: ErrorSerializer}
    )
    def get(self, request: Request, workspace_id: UUID) -> Response:
        """What a workspace has, and how much it may have."""
        workspace = get_workspace(request.user, workspace_id, Permission.MEMBER_VIEW)
        return _shown(queries.use_of_workspace(workspace.pk))


class MyQuotasView(APIView):
    @extend_schema(operation_id="list_my_quotas", tags=["quotas"], responses=UsesOutput)
    def get(self, request: Request) -> Response:
        """What the caller has over all workspaces, and how much that may be."""
        return _shown(queries.use_of_user(request.user.pk))


class QuotasView(APIView):
    permission_classes = (IsOperator,)
    pagination_class = NewestFirst

    @extend_schema(operation_id="list_quotas", tags=["quotas"], responses={200: QuotaOutput(many=True), 403: ErrorSerializer})
    def get(self, request: Request) -> Response:
        """The limits of the installation, newest first."""
        pages = self.pagination_class()
        rows = pages.paginate_queryset(queries.list_quotas(request.user), request)
        return pages.get_paginated_response(QuotaOutput(rows, many=True).data)

    @extend_schema(
        operation_id="set_quota",
        tags=["quotas"],
        request=QuotaInput,
        responses={200: QuotaOutput, 403: ErrorSerializer, 404: ErrorSerializer, 422: ErrorSerializer},
    )
    def put(self, request: Request) -> Response:
        """Set the limit of a workspace or a person, or the default of all. It holds within ten seconds."""
        data = QuotaInput.read_body(request)
        quota = actions.set_quota(
            name=QuotaName(data["name"]),
            limit=data["limit"],
            workspace=get_workspace(request.user, data["workspace"], Permission.MEMBER_VIEW) if data["workspace"] else None,
            user=_get_user(data["user"]) if data["user"] else None,
            scope=data["scope"],
        )
        return Response(QuotaOutput(quota).data)


class QuotaView(APIView):
    permission_classes = (IsOperator,)

    @extend_schema(operation_id="remove_quota", tags=["quotas"], responses={204: None, 403: ErrorSerializer, 404: ErrorSerializer})
    def delete(self, request: Request, quota_id: UUID) -> Response:
        """Let the default count again; without one, nothing is limited."""
        actions.remove_quota(quota=queries.get_quota(request.user, quota_id))
        return Response(status=204)


def _get_user(user_id: UUID) -> User:
    user = User.objects.filter(pk=user_id).first()
    if user is None:
        raise UserNotFoundError(f"There is no person {user_id}.")
    return user
