"""What a person works on and has not saved."""

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.permissions import Permission
from apps.core.api.serializers import ErrorSerializer, InputSerializer, JsonObject
from apps.workflows import drafts, queries
from apps.workflows.api.bodies import DefinitionView, read, saved_version
from apps.workflows.api.changes import EditConflictOutput
from apps.workflows.api.serializers import SavedVersionOutput
from apps.workflows.models import Draft, Workflow

ERRORS = {403: ErrorSerializer, 404: ErrorSerializer, 422: ErrorSerializer}


class DraftInput(InputSerializer):
    definition = JsonObject(help_text="The document as it is now; it need not be valid.")
    base_number = serializers.IntegerField(
        required=False,
        default=None,
        min_value=1,
        max_value=2**31 - 1,
        help_text="The version that the work began at. Missing: that of the draft so far, else the newest.",
    )


class DraftOutput(serializers.Serializer[Any]):
    workflow = serializers.UUIDField()
    base_number = serializers.IntegerField(help_text="The version that the work began at.")
    newest_number = serializers.IntegerField(help_text="The newest version; others have saved meanwhile where it is not the same.")
    updated_at = serializers.DateTimeField()


class DraftDetailOutput(DraftOutput):
    definition = JsonObject()


class DraftSaveInput(InputSerializer):
    changelog = serializers.CharField(max_length=10_000, required=False, default="", allow_blank=True)
    publish = serializers.BooleanField(required=False, default=False)


def _described(draft: Draft, workflow: Workflow) -> dict[str, Any]:
    return {
        "workflow": workflow.pk,
        "base_number": draft.base_version.number,
        "newest_number": workflow.latest_number,
        "updated_at": draft.updated_at,
    }


class DraftView(DefinitionView):
    @extend_schema(operation_id="get_draft", tags=["versions"], responses={200: DraftDetailOutput, **ERRORS})
    def get(self, request: Request, workflow_id: UUID) -> Response:
        """The caller's own draft of a workflow; drafts of others are nobody's business."""
        workflow = queries.get_workflow(request.user, workflow_id, Permission.WORKFLOW_VIEW)
        draft = drafts.get_draft(workflow, request.user)
        return Response({**_described(draft, workflow), "definition": draft.definition})

    @extend_schema(
        operation_id="keep_draft",
        tags=["versions"],
        request={"application/json": DraftInput, "application/yaml": DraftInput},
        responses={200: DraftOutput, **ERRORS},
    )
    def put(self, request: Request, workflow_id: UUID) -> Response:
        """Keep what the caller works on, in place of what was kept before."""
        data = read(request, DraftInput)
        workflow = queries.get_workflow(request.user, workflow_id, Permission.WORKFLOW_EDIT)
        return Response(_described(drafts.keep_draft(workflow=workflow, user=request.user, **data), workflow))

    @extend_schema(operation_id="discard_draft", tags=["versions"], responses={204: None, 403: ErrorSerializer, 404: ErrorSerializer})
    def delete(self, request: Request, workflow_id: UUID) -> Response:
        """Forget the caller's draft."""
        workflow = queries.get_workflow(request.user, workflow_id, Permission.WORKFLOW_VIEW)
        drafts.discard_draft(workflow=workflow, user=request.user)
        return Response(status=204)


class DraftSaveView(APIView):
    @extend_schema(
        operation_id="save_draft",
        tags=["versions"],
        request=DraftSaveInput,
        responses={200: SavedVersionOutput, 201: SavedVersionOutput, **ERRORS, 409: EditConflictOutput},
    )
    def post(self, request: Request, workflow_id: UUID) -> Response:
        """Make the caller's draft the next version, merged with what others saved since it began. The draft is gone then."""
        data = DraftSaveInput.read_body(request)
        workflow = queries.get_workflow(request.user, workflow_id, Permission.WORKFLOW_EDIT)
        return saved_version(drafts.save_draft(workflow=workflow, user=request.user, **data))
