"""Workflows and versions over HTTP."""

from typing import Any
from uuid import UUID

from django.db import transaction
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.permissions import Permission
from apps.accounts.queries import get_workspace
from apps.core.api.pagination import NewestFirst
from apps.core.api.serializers import ErrorSerializer
from apps.engine.definition import definition_schema
from apps.engine.problems import InvalidDefinitionError
from apps.engine.validation import validate
from apps.nodes.registry import all_types
from apps.workflows import actions, queries
from apps.workflows.actions import Saved
from apps.workflows.api.bodies import DefinitionView, read, saved_version
from apps.workflows.api.changes import EditConflictOutput
from apps.workflows.api.filters import WorkflowsQuery, read_filters
from apps.workflows.api.serializers import (
    DefinitionInput,
    SavedVersionOutput,
    SavedWorkflowOutput,
    ValidationOutput,
    VersionDetailOutput,
    VersionInput,
    VersionOutput,
    WorkflowChangeInput,
    WorkflowInput,
    WorkflowOutput,
)
from apps.workflows.folders import place_workflow
from apps.workflows.listing import complete, described, matching
from apps.workflows.queries_folders import get_folder

ERRORS = {404: ErrorSerializer, 409: ErrorSerializer, 422: ErrorSerializer}


def _warnings(saved: Saved) -> list[dict[str, Any]]:
    return [problem.as_json() for problem in saved.warnings]


class WorkflowsView(DefinitionView):
    pagination_class = NewestFirst

    @extend_schema(
        operation_id="list_workflows",
        tags=["workflows"],
        parameters=[WorkflowsQuery],
        responses={200: WorkflowOutput(many=True), 422: ErrorSerializer},
    )
    def get(self, request: Request) -> Response:
        """The workflows that the caller may see and that fit the filters, newest first; without the archived ones."""
        filters, pages = read_filters(request)
        found = matching(request.user, filters)
        if node_type := request.query_params.get("node_type"):
            found = queries.using_node_type(found, request.user, node_type)
        rows = pages.paginate_queryset(described(found, request.user), request)
        return pages.get_paginated_response(WorkflowOutput(complete(rows, request.user), many=True).data)

    @extend_schema(
        operation_id="create_workflow",
        tags=["workflows"],
        request={"application/json": WorkflowInput, "application/yaml": WorkflowInput},
        responses={201: SavedWorkflowOutput, **ERRORS},
    )
    def post(self, request: Request) -> Response:
        """Make a workflow and its version 1. The body may also be the definition alone, with `?publish=true` in the address."""
        data = read(request, WorkflowInput)
        workspace = get_workspace(request.user, data.pop("workspace"), Permission.WORKFLOW_CREATE)
        saved = actions.create_workflow(workspace=workspace, created_by=request.user, **data)
        workflow = queries.get_workflow(request.user, saved.version.workflow_id)
        body = {**WorkflowOutput(workflow).data, "version": VersionOutput(saved.version).data, "warnings": _warnings(saved)}
        return Response(body, status=201, headers={"Location": f"{request.path}/{workflow.id}"})


class WorkflowView(APIView):
    @extend_schema(operation_id="get_workflow", tags=["workflows"], responses={200: WorkflowOutput, 404: ErrorSerializer})
    def get(self, request: Request, workflow_id: UUID) -> Response:
        """One workflow."""
        return Response(WorkflowOutput(queries.get_workflow(request.user, workflow_id)).data)

    @extend_schema(
        operation_id="update_workflow", tags=["workflows"], request=WorkflowChangeInput, responses={200: WorkflowOutput, **ERRORS}
    )
    def patch(self, request: Request, workflow_id: UUID) -> Response:
        """Rename or describe it, or put it into a folder; its definitions stay as they are."""
        workflow = queries.get_workflow(request.user, workflow_id, Permission.WORKFLOW_EDIT)
        data = WorkflowChangeInput.read_body(request)
        with transaction.atomic():
            if "folder" in data:
                folder_id = data.pop("folder")
                folder = get_folder(request.user, folder_id, Permission.WORKFLOW_EDIT) if folder_id else None
                place_workflow(workflow=workflow, folder=folder, moved_by=request.user)
            actions.update_workflow(workflow=workflow, **data)
        return Response(WorkflowOutput(complete([workflow], request.user)[0]).data)

    @extend_schema(operation_id="delete_workflow", tags=["workflows"], responses={204: None, 404: ErrorSerializer, 409: ErrorSerializer})
    def delete(self, request: Request, workflow_id: UUID) -> Response:
        """Delete a workflow that never ran. One with executions is refused, since their history needs it."""
        actions.delete_workflow(workflow=queries.get_workflow(request.user, workflow_id, Permission.WORKFLOW_MANAGE))
        return Response(status=204)


class UnpublishView(APIView):
    @extend_schema(
        operation_id="unpublish_workflow", tags=["workflows"], request=None, responses={200: WorkflowOutput, 404: ErrorSerializer}
    )
    def post(self, request: Request, workflow_id: UUID) -> Response:
        """Let nothing start by workflow any more."""
        workflow = actions.unpublish_workflow(workflow=queries.get_workflow(request.user, workflow_id, Permission.WORKFLOW_EDIT))
        return Response(WorkflowOutput(workflow).data)


class VersionsView(DefinitionView):
    pagination_class = NewestFirst

    @extend_schema(operation_id="list_versions", tags=["workflows"], responses={200: VersionOutput(many=True), 404: ErrorSerializer})
    def get(self, request: Request, workflow_id: UUID) -> Response:
        """The versions of a workflow, newest first, without their definitions."""
        pages = self.pagination_class()
        rows = pages.paginate_queryset(
            queries.list_versions(queries.get_workflow(request.user, workflow_id, Permission.WORKFLOW_VIEW)), request
        )
        return pages.get_paginated_response(VersionOutput(rows, many=True).data)

    @extend_schema(
        operation_id="save_version",
        tags=["workflows"],
        request={"application/json": VersionInput, "application/yaml": VersionInput},
        responses={200: SavedVersionOutput, 201: SavedVersionOutput, **ERRORS, 409: EditConflictOutput},
    )
    def post(self, request: Request, workflow_id: UUID) -> Response:
        """Save a definition as the next version: 201, or 200 where the newest version has this content already.

        With `base_number`, what others saved since that version is merged in, node by node; 409 `edit_conflict` where the changes
        contradict each other.
        """
        data = read(request, VersionInput)
        workflow = queries.get_workflow(request.user, workflow_id, Permission.WORKFLOW_EDIT)
        return saved_version(actions.save_version(workflow=workflow, created_by=request.user, **data))


class VersionView(APIView):
    @extend_schema(operation_id="get_version", tags=["workflows"], responses={200: VersionDetailOutput, 404: ErrorSerializer})
    def get(self, request: Request, workflow_id: UUID, number: int) -> Response:
        """One version with its definition."""
        return Response(VersionDetailOutput(queries.get_version(request.user, workflow_id, number)).data)


class PublishView(APIView):
    @extend_schema(operation_id="publish_version", tags=["workflows"], request=None, responses={200: WorkflowOutput, 404: ErrorSerializer})
    def post(self, request: Request, workflow_id: UUID, number: int) -> Response:
        """Make this the version that starts by workflow run."""
        queries.get_workflow(request.user, workflow_id, Permission.WORKFLOW_EDIT)
        actions.publish_version(version=queries.get_version(request.user, workflow_id, number))
        return Response(WorkflowOutput(queries.get_workflow(request.user, workflow_id)).data)


class ValidateView(DefinitionView):
    @extend_schema(
        operation_id="validate_definition",
        tags=["workflows"],
        request={"application/json": DefinitionInput, "application/yaml": DefinitionInput},
        responses=ValidationOutput,
    )
    def post(self, request: Request) -> Response:
        """Check a definition and store nothing."""
        try:
            validated = validate(read(request, DefinitionInput)["definition"], all_types())
        except InvalidDefinitionError as error:
            return Response({"is_valid": False, "errors": error.details["errors"], "warnings": []})
        return Response({"is_valid": True, "errors": [], "warnings": [problem.as_json() for problem in validated.warnings]})


class DefinitionSchemaView(APIView):
    @extend_schema(operation_id="get_definition_schema", tags=["workflows"], responses={(200, "application/schema+json"): dict})
    def get(self, request: Request) -> Response:
        """JSON Schema of the definition document."""
        return Response(definition_schema())
