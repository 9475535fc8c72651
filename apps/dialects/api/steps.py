"""The library of steps over HTTP."""

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.permissions import Permission
from apps.accounts.queries import get_workspace
from apps.core.api.serializers import ErrorSerializer
from apps.dialects.api.services import ERRORS, PAGE_PARAMETERS
from apps.dialects.api.step_serializers import LibraryStepChangeInput, LibraryStepInput, StepOutput, StepsQuery
from apps.dialects.steps import actions, queries
from apps.tasks.api.pages import NewestTasks

TAGS = ["steps"]


class StepsView(APIView):
    pagination_class = NewestTasks

    @extend_schema(
        operation_id="list_steps", tags=TAGS, parameters=[StepsQuery], responses={200: StepOutput(many=True), 422: ErrorSerializer}
    )
    def get(self, request: Request) -> Response:
        """The steps of the caller's workspaces, newest first."""
        query = StepsQuery.read_query(request, besides=PAGE_PARAMETERS)
        pages = self.pagination_class()
        rows = pages.paginate_queryset(queries.list_steps(request.user, **query), request)
        return pages.get_paginated_response(StepOutput(rows, many=True).data)

    @extend_schema(operation_id="create_step", tags=TAGS, request=LibraryStepInput, responses={201: StepOutput, **ERRORS})
    def post(self, request: Request) -> Response:
        """Keep a step for templates to place."""
        data = dict(LibraryStepInput.read_body(request))
        workspace = get_workspace(request.user, data.pop("workspace"), Permission.WORKFLOW_EDIT)
        made = actions.create_step(workspace=workspace, **data)
        return Response(StepOutput(made).data, status=201, headers={"Location": f"{request.path}/{made.pk}"})


class StepView(APIView):
    @extend_schema(operation_id="get_step", tags=TAGS, responses={200: StepOutput, 404: ErrorSerializer})
    def get(self, request: Request, step_number: int) -> Response:
        """One step."""
        return Response(StepOutput(queries.get_step(request.user, step_number)).data)

    @extend_schema(operation_id="update_step", tags=TAGS, request=LibraryStepChangeInput, responses={200: StepOutput, **ERRORS})
    def patch(self, request: Request, step_number: int) -> Response:
        """Change a step. Templates that place it get a new version; executions under way keep theirs."""
        step = queries.get_step(request.user, step_number, Permission.WORKFLOW_EDIT)
        data = dict(LibraryStepChangeInput.read_body(request))
        return Response(StepOutput(actions.update_step(step=step, changed_by=request.user, **data)).data)

    @extend_schema(operation_id="delete_step", tags=TAGS, responses={204: None, **ERRORS})
    def delete(self, request: Request, step_number: int) -> Response:
        """Delete a step. 409: templates place it."""
        actions.delete_step(step=queries.get_step(request.user, step_number, Permission.WORKFLOW_EDIT))
        return Response(status=204)
