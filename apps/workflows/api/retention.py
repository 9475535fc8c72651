"""How many versions a workspace keeps."""

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.permissions import Permission
from apps.accounts.queries import get_workspace
from apps.core.api.serializers import ErrorSerializer, InputSerializer
from apps.workflows.retention import find_retention, set_retention

KEEP = {"min_value": 1, "max_value": 100_000, "allow_null": True}
HELP = "The newest so many versions of each workflow; published and used ones stay besides. null: all."
ERRORS = {403: ErrorSerializer, 404: ErrorSerializer, 422: ErrorSerializer}


class RetentionInput(InputSerializer):
    keep = serializers.IntegerField(**KEEP, help_text=HELP)


class RetentionOutput(serializers.Serializer[Any]):
    keep = serializers.IntegerField(**KEEP, help_text=HELP)


class RetentionView(APIView):
    @extend_schema(operation_id="get_version_retention", tags=["versions"], responses={200: RetentionOutput, **ERRORS})
    def get(self, request: Request, workspace_id: UUID) -> Response:
        """How many versions of each workflow the workspace keeps."""
        workspace = get_workspace(request.user, workspace_id, Permission.WORKFLOW_VIEW)
        return Response({"keep": find_retention(workspace)})

    @extend_schema(
        operation_id="set_version_retention", tags=["versions"], request=RetentionInput, responses={200: RetentionOutput, **ERRORS}
    )
    def put(self, request: Request, workspace_id: UUID) -> Response:
        """Keep this many from now on. Older ones go at the next save of each workflow."""
        data = RetentionInput.read_body(request)
        workspace = get_workspace(request.user, workspace_id, Permission.WORKSPACE_MANAGE)
        set_retention(workspace=workspace, keep=data["keep"])
        return Response(data)
