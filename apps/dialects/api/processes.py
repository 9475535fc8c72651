"""Process definitions over HTTP."""

from collections.abc import Mapping
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.models import User
from apps.accounts.permissions import Permission
from apps.accounts.queries import get_workspace
from apps.core.api.serializers import ErrorSerializer
from apps.dialects.api.process_serializers import (
    CheckedFormOutput,
    OneProcessDefinitionOutput,
    ProcessDefinitionOutput,
    ProcessDefinitionsQuery,
    ProcessFormInput,
)
from apps.dialects.api.services import PAGE_PARAMETERS, WorkspaceQuery
from apps.dialects.processes import actions, queries
from apps.dialects.processes.actions import SavedProcess
from apps.engine.problems import InvalidDefinitionError
from apps.tasks.api.pages import NewestTasks
from apps.workflows.actions import delete_workflow
from apps.workflows.api.bodies import DefinitionView

TAGS = ["process definitions"]
REFUSED = dict.fromkeys((403, 404, 409, 422), ErrorSerializer)
FORM = {"application/json": ProcessFormInput, "application/yaml": ProcessFormInput}


def _shown(user: User, number: int, **context: Any) -> Mapping[str, Any]:
    definition = queries.get_definition(user, number)
    form, is_form = queries.form_of(definition)
    body: Mapping[str, Any] = OneProcessDefinitionOutput(definition, context={"form": form, "is_form": is_form, **context}).data
    return body


def _saved(user: User, saved: SavedProcess) -> Mapping[str, Any]:
    return _shown(user, saved.definition.pk, warnings=saved.warnings)


class ProcessDefinitionsView(DefinitionView):
    pagination_class = NewestTasks

    @extend_schema(
        operation_id="list_process_definitions",
        tags=TAGS,
        parameters=[ProcessDefinitionsQuery],
        responses={200: ProcessDefinitionOutput(many=True), 422: ErrorSerializer},
    )
    def get(self, request: Request) -> Response:
        """The process definitions that the caller may see, newest first, without their steps."""
        query = ProcessDefinitionsQuery.read_query(request, besides=PAGE_PARAMETERS)
        pages = self.pagination_class()
        rows = pages.paginate_queryset(queries.list_definitions(request.user, **query), request)
        return pages.get_paginated_response(ProcessDefinitionOutput(rows, many=True).data)

    @extend_schema(
        operation_id="create_process_definition",
        tags=TAGS,
        request=FORM,
        parameters=[WorkspaceQuery],
        responses={201: OneProcessDefinitionOutput, **REFUSED},
    )
    def post(self, request: Request) -> Response:
        """Make a process definition; it may be started at once. It is a workflow, and stands among them too."""
        workspace_id = WorkspaceQuery.read_query(request)["workspace"]
        workspace = get_workspace(request.user, workspace_id, Permission.WORKFLOW_CREATE)
        saved = actions.create_definition(workspace=workspace, form=request.data, created_by=request.user)
        location = f"{request.path}/{saved.definition.pk}"
        return Response(_saved(request.user, saved), status=201, headers={"Location": location})


class ValidateProcessView(DefinitionView):
    @extend_schema(
        operation_id="validate_process_definition",
        tags=TAGS,
        request=FORM,
        parameters=[WorkspaceQuery],
        responses={200: CheckedFormOutput, **REFUSED},
    )
    def post(self, request: Request) -> Response:
        """Check a form against the services of a workspace, and store nothing."""
        workspace = get_workspace(request.user, WorkspaceQuery.read_query(request)["workspace"], Permission.WORKFLOW_VIEW)
        try:
            warnings = actions.check_form(workspace=workspace, form=request.data)
        except InvalidDefinitionError as error:
            return Response({"is_valid": False, "errors": error.details["errors"], "warnings": []})
        return Response({"is_valid": True, "errors": [], "warnings": [each.as_json() for each in warnings]})


class ProcessDefinitionView(DefinitionView):
    @extend_schema(operation_id="get_process_definition", tags=TAGS, responses={200: OneProcessDefinitionOutput, 404: ErrorSerializer})
    def get(self, request: Request, definition_number: int) -> Response:
        """One process definition with its steps."""
        queries.get_definition(request.user, definition_number, Permission.WORKFLOW_VIEW)
        return Response(_shown(request.user, definition_number))

    @extend_schema(
        operation_id="replace_process_definition", tags=TAGS, request=FORM, responses={200: OneProcessDefinitionOutput, **REFUSED}
    )
    def put(self, request: Request, definition_number: int) -> Response:
        """Give it a new form: the next version. Instances under way keep theirs."""
        definition = queries.get_definition(request.user, definition_number, Permission.WORKFLOW_EDIT)
        return Response(_saved(request.user, actions.replace_definition(definition=definition, form=request.data, saved_by=request.user)))

    @extend_schema(operation_id="delete_process_definition", tags=TAGS, responses={204: None, **REFUSED})
    def delete(self, request: Request, definition_number: int) -> Response:
        """Delete one that never ran, with its workflow. 409: it has instances; suspend it instead."""
        delete_workflow(workflow=queries.get_definition(request.user, definition_number, Permission.WORKFLOW_MANAGE).workflow)
        return Response(status=204)


class SuspendProcessView(APIView):
    @extend_schema(
        operation_id="suspend_process_definition", tags=TAGS, request=None, responses={200: OneProcessDefinitionOutput, **REFUSED}
    )
    def post(self, request: Request, definition_number: int) -> Response:
        """Let nobody start it any more; instances under way go on."""
        actions.suspend_definition(definition=queries.get_definition(request.user, definition_number, Permission.WORKFLOW_EDIT))
        return Response(_shown(request.user, definition_number))


class ActivateProcessView(APIView):
    @extend_schema(
        operation_id="activate_process_definition", tags=TAGS, request=None, responses={200: OneProcessDefinitionOutput, **REFUSED}
    )
    def post(self, request: Request, definition_number: int) -> Response:
        """Let its newest version be started."""
        actions.activate_definition(definition=queries.get_definition(request.user, definition_number, Permission.WORKFLOW_EDIT))
        return Response(_shown(request.user, definition_number))
