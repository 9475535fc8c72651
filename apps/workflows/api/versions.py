"""Versions beside one another: compare two, go back to one."""

from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.permissions import Permission
from apps.core.api.serializers import ErrorSerializer, InputSerializer
from apps.engine.changes import diff, json_patch
from apps.workflows import actions, queries
from apps.workflows.api.bodies import saved_version
from apps.workflows.api.changes import CompareOutput, CompareQuery
from apps.workflows.api.serializers import SavedVersionOutput, VersionOutput

ERRORS = {403: ErrorSerializer, 404: ErrorSerializer, 422: ErrorSerializer}


class RollbackInput(InputSerializer):
    changelog = serializers.CharField(
        max_length=10_000, required=False, default="", allow_blank=True, help_text="Missing: 'Roll back to' and the number."
    )
    publish = serializers.BooleanField(required=False, default=False)


class RollbackView(APIView):
    @extend_schema(
        operation_id="roll_back",
        tags=["versions"],
        request=RollbackInput,
        responses={200: SavedVersionOutput, 201: SavedVersionOutput, **ERRORS},
    )
    def post(self, request: Request, workflow_id: UUID, number: int) -> Response:
        """Save the content of this version as the newest one: 201, or 200 where the newest has it already."""
        data = RollbackInput.read_body(request)
        queries.get_workflow(request.user, workflow_id, Permission.WORKFLOW_EDIT)
        version = queries.get_version(request.user, workflow_id, number)
        return saved_version(actions.roll_back(version=version, created_by=request.user, **data))


class CompareView(APIView):
    @extend_schema(operation_id="compare_versions", tags=["versions"], parameters=[CompareQuery], responses={200: CompareOutput, **ERRORS})
    def get(self, request: Request, workflow_id: UUID) -> Response:
        """What changed from one version of a workflow to another."""
        query = CompareQuery.read_query(request)
        queries.get_workflow(request.user, workflow_id, Permission.WORKFLOW_VIEW)
        old, new = (queries.get_version(request.user, workflow_id, query[name]) for name in ("from", "to"))
        is_patch = query["format"] == "json-patch"
        return Response(
            {
                "old": VersionOutput(old).data,
                "new": VersionOutput(new).data,
                "changes": None if is_patch else diff(old.definition, new.definition).as_json(),
                "patch": json_patch(old.definition, new.definition) if is_patch else None,
            }
        )
