"""Templates of steps, and their executions, over HTTP."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from drf_spectacular.utils import OpenApiParameter, PolymorphicProxySerializer, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.models import User
from apps.accounts.permissions import Permission
from apps.accounts.queries import get_workspace
from apps.core.api.pagination import NewestFirst
from apps.core.api.serializers import ErrorSerializer
from apps.core.depth import depth_in
from apps.dialects.api.services import ERRORS, PAGE_PARAMETERS, WorkspaceQuery
from apps.dialects.api.step_serializers import (
    ExecutionOfTemplateInput,
    ExecutionsOfTemplateQuery,
    OneTemplateExecutionOutput,
    StepTemplateInput,
    StepTemplateOutput,
    StepTemplatesQuery,
    StepTemplateStatusInput,
    TemplateExecutionOutput,
    TemplateExecutionsQuery,
    TemplateStartInput,
)
from apps.dialects.models import StepTemplate
from apps.dialects.steps import actions, queries
from apps.executions.api.answers_once import IDEMPOTENCY_KEY, IS_REPLAYED, made_once
from apps.executions.api.serializers import ExecutionSummaryOutput, ListQuery, StartedOutput, StartInput
from apps.executions.api.views import ExecutionsView
from apps.executions.api.waits import ACCEPTED_HEADERS, PREFER
from apps.executions.queries import check_visible
from apps.tasks.api.pages import NewestTasks
from apps.workflows.actions import delete_workflow

TAGS = ["step templates"]
TEMPLATE_ID = OpenApiParameter("template_id", int, description="Those of this template, as GET /templates/{id}/executions has them.")
EITHER = PolymorphicProxySerializer(
    component_name="StartOfEither", serializers=[StartInput, ExecutionOfTemplateInput], resource_type_field_name=None
)
LISTED_EITHER = PolymorphicProxySerializer(
    component_name="ListedOfEither", serializers=[ExecutionSummaryOutput, TemplateExecutionOutput], resource_type_field_name=None, many=True
)
STARTED = {201: OneTemplateExecutionOutput, **ERRORS}


def _shown(user: User, number: int) -> Mapping[str, Any]:
    body: Mapping[str, Any] = StepTemplateOutput(queries.get_template(user, number)).data
    return body


def shown_execution(user: User, execution_id: UUID) -> Mapping[str, Any]:
    """One execution of a template in the words of the vocabulary."""
    execution = queries.get_run(user, execution_id)
    steps = queries.list_step_runs(user, execution)
    body: Mapping[str, Any] = OneTemplateExecutionOutput(execution, context={"steps": steps}).data
    return body


def started(request: Request, template: StepTemplate, data: dict[str, Any]) -> Response:
    """Start a template, and answer with the execution."""
    common = {
        "started_by": request.user,
        "executed_by": data.pop("executed_by") or request.user.username[:64],
        "depth": depth_in(request.headers),
    }

    def start() -> dict[str, Any]:
        one = actions.start_template(template=template, **common, **data)
        return dict(shown_execution(request.user, one.execution_id))

    made = made_once(request, workspace_id=template.workflow.workspace_id, make=start)
    return Response(made.body, status=201, headers=made.headers)


class StepTemplatesView(APIView):
    pagination_class = NewestTasks

    @extend_schema(
        operation_id="list_step_templates",
        tags=TAGS,
        parameters=[StepTemplatesQuery],
        responses={200: StepTemplateOutput(many=True), 422: ErrorSerializer},
    )
    def get(self, request: Request) -> Response:
        """The templates that the caller may see, newest first. Those of the gallery are at /workflow-templates."""
        query = StepTemplatesQuery.read_query(request, besides=PAGE_PARAMETERS)
        pages = self.pagination_class()
        rows = pages.paginate_queryset(queries.list_templates(request.user, **query), request)
        return pages.get_paginated_response(StepTemplateOutput(rows, many=True).data)

    @extend_schema(
        operation_id="create_step_template",
        tags=TAGS,
        request=StepTemplateInput,
        parameters=[WorkspaceQuery],
        responses={201: StepTemplateOutput, **ERRORS},
    )
    def post(self, request: Request) -> Response:
        """Place steps in a template. It is a workflow, and stands among them too."""
        workspace = get_workspace(request.user, WorkspaceQuery.read_query(request)["workspace"], Permission.WORKFLOW_CREATE)
        made = actions.create_template(workspace=workspace, form=actions.parse_form(request.data), created_by=request.user)
        return Response(_shown(request.user, made.pk), status=201, headers={"Location": f"{request.path}/{made.pk}"})


class StepTemplateView(APIView):
    @extend_schema(operation_id="get_step_template", tags=TAGS, responses={200: StepTemplateOutput, 404: ErrorSerializer})
    def get(self, request: Request, template_number: int) -> Response:
        """One template with its steps."""
        queries.get_template(request.user, template_number, Permission.WORKFLOW_VIEW)
        return Response(_shown(request.user, template_number))

    @extend_schema(
        operation_id="replace_step_template", tags=TAGS, request=StepTemplateInput, responses={200: StepTemplateOutput, **ERRORS}
    )
    def put(self, request: Request, template_number: int) -> Response:
        """Give it other steps: the next version. Executions under way keep theirs."""
        template = queries.get_template(request.user, template_number, Permission.WORKFLOW_EDIT)
        actions.replace_template(template=template, form=actions.parse_form(request.data), saved_by=request.user)
        return Response(_shown(request.user, template_number))

    @extend_schema(
        operation_id="set_step_template_status", tags=TAGS, request=StepTemplateStatusInput, responses={200: StepTemplateOutput, **ERRORS}
    )
    def patch(self, request: Request, template_number: int) -> Response:
        """Let it be started (`active`) or not (`inactive`)."""
        template = queries.get_template(request.user, template_number, Permission.WORKFLOW_EDIT)
        actions.set_status(template=template, status=StepTemplateStatusInput.read_body(request)["status"])
        return Response(_shown(request.user, template_number))

    @extend_schema(operation_id="delete_step_template", tags=TAGS, responses={204: None, **ERRORS})
    def delete(self, request: Request, template_number: int) -> Response:
        """Delete one that never ran, with its workflow. 409: it has executions; make it inactive instead."""
        delete_workflow(workflow=queries.get_template(request.user, template_number, Permission.WORKFLOW_MANAGE).workflow)
        return Response(status=204)


class StepTemplateExecutionsView(APIView):
    pagination_class = NewestFirst

    @extend_schema(
        operation_id="list_step_template_executions",
        tags=TAGS,
        parameters=[TemplateExecutionsQuery],
        responses={200: TemplateExecutionOutput(many=True), 404: ErrorSerializer, 422: ErrorSerializer},
    )
    def get(self, request: Request, template_number: int) -> Response:
        """The executions of a template, newest first."""
        template = queries.get_template(request.user, template_number)
        query = TemplateExecutionsQuery.read_query(request, besides=PAGE_PARAMETERS)
        return _page(request, {"template_id": template.pk, **query})

    @extend_schema(
        operation_id="start_step_template",
        tags=TAGS,
        request=TemplateStartInput,
        parameters=[IDEMPOTENCY_KEY, IS_REPLAYED],
        responses=STARTED,
    )
    def post(self, request: Request, template_number: int) -> Response:
        """Start an active template."""
        template = queries.get_template(request.user, template_number, Permission.WORKFLOW_RUN)
        return started(request, template, dict(TemplateStartInput.read_body(request)))


class StepExecutionsView(APIView):
    @extend_schema(operation_id="get_step_executions", tags=TAGS, responses={200: OneTemplateExecutionOutput, 404: ErrorSerializer})
    def get(self, request: Request, execution_id: UUID) -> Response:
        """An execution of a template, with what has become of each step."""
        check_visible(request.user, execution_id)
        return Response(shown_execution(request.user, execution_id))


class ExecutionsInBothWordsView(ExecutionsView):
    """The executions of workflows, which those of templates are as well: `template_id` asks for them in the words of the steps."""

    @extend_schema(
        operation_id="list_executions",
        tags=["executions"],
        parameters=[ListQuery, TEMPLATE_ID],
        responses={200: LISTED_EITHER, 422: ErrorSerializer},
    )
    def get(self, request: Request) -> Response:
        """The executions that the caller may see, newest first; with `template_id` those of a template, in the words of the steps."""
        if "template_id" not in request.query_params:
            return super().get(request)
        return _page(request, ExecutionsOfTemplateQuery.read_query(request, besides=PAGE_PARAMETERS))

    @extend_schema(
        operation_id="start_execution",
        tags=["executions"],
        request=EITHER,
        parameters=[IDEMPOTENCY_KEY, PREFER, *ACCEPTED_HEADERS, IS_REPLAYED],
        responses={200: StartedOutput, 201: OneTemplateExecutionOutput, 202: StartedOutput, **ERRORS},
    )
    def post(self, request: Request) -> Response:
        """Start an execution. 202: it is accepted; `links` say where to ask for it and where to follow it.

        200: it has ended within the time that the request waits (`wait`, or the header `Prefer: wait=10`), well or not: see `status`.
        201: with `template_id` a template is started, and the answer is that of POST /templates/{id}/executions.
        """
        if not isinstance(request.data, Mapping) or "template_id" not in request.data:
            return super().post(request)
        data = dict(ExecutionOfTemplateInput.read_body(request))
        template = queries.get_template(request.user, data.pop("template_id"), Permission.WORKFLOW_RUN)
        return started(request, template, data)


def _page(request: Request, query: dict[str, Any]) -> Response:
    pages = NewestFirst()
    rows = pages.paginate_queryset(queries.list_runs(request.user, **query), request)
    return pages.get_paginated_response(TemplateExecutionOutput(rows, many=True).data)
