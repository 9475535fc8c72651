"""Process instances over HTTP."""

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.permissions import Permission
from apps.core.api.pagination import NewestFirst
from apps.core.api.serializers import ErrorSerializer
from apps.core.depth import depth_in
from apps.dialects.api.process_serializers import (
    HistoryOutput,
    InstanceInput,
    InstanceOutput,
    InstancesQuery,
    InstanceStatusOutput,
    OneInstanceOutput,
    StepRunOutput,
)
from apps.dialects.api.processes import REFUSED
from apps.dialects.api.services import PAGE_PARAMETERS
from apps.dialects.processes import queries
from apps.dialects.processes.actions import start_instance
from apps.executions.actions import cancel_execution, pause_execution, resume_execution
from apps.executions.api.answers_once import IDEMPOTENCY_KEY, IS_REPLAYED, made_once
from apps.executions.queries import check_operable

TAGS = ["process instances"]
NOT_FOUND = {404: ErrorSerializer}
MOVED = {200: InstanceStatusOutput, **REFUSED}


class InstancesView(APIView):
    pagination_class = NewestFirst

    @extend_schema(
        operation_id="list_process_instances",
        tags=TAGS,
        parameters=[InstancesQuery],
        responses={200: InstanceOutput(many=True), 422: ErrorSerializer},
    )
    def get(self, request: Request) -> Response:
        """The instances that the caller may see, newest first; by `business_key`, definition or status."""
        query = InstancesQuery.read_query(request, besides=PAGE_PARAMETERS)
        pages = self.pagination_class()
        rows = pages.paginate_queryset(queries.list_instances(request.user, **query), request)
        return pages.get_paginated_response(InstanceOutput(rows, many=True).data)

    @extend_schema(
        operation_id="start_process_instance",
        tags=TAGS,
        request=InstanceInput,
        parameters=[IDEMPOTENCY_KEY, IS_REPLAYED],
        responses={201: OneInstanceOutput, **REFUSED},
    )
    def post(self, request: Request) -> Response:
        """Start an instance of an active definition."""
        data = dict(InstanceInput.read_body(request))
        definition = queries.get_definition(request.user, data.pop("process_definition_id"), Permission.WORKFLOW_RUN)

        def start() -> dict[str, Any]:
            depth = depth_in(request.headers)
            started = start_instance(definition=definition, started_by=request.user, depth=depth, **data)
            instance = queries.get_instance(request.user, started.execution_id)
            return dict(OneInstanceOutput(instance, context={"runs": queries.list_step_runs(request.user, instance.pk)}).data)

        made = made_once(request, workspace_id=definition.workflow.workspace_id, make=start)
        return Response(made.body, status=201, headers={"Location": f"{request.path}/{made.body['id']}", **made.headers})


class InstanceView(APIView):
    @extend_schema(operation_id="get_process_instance", tags=TAGS, responses={200: OneInstanceOutput, **NOT_FOUND})
    def get(self, request: Request, instance_id: UUID) -> Response:
        """One instance with its variables and the steps that it has come to."""
        instance = queries.get_instance(request.user, instance_id)
        return Response(OneInstanceOutput(instance, context={"runs": queries.list_step_runs(request.user, instance.pk)}).data)


class HistoryView(APIView):
    @extend_schema(operation_id="get_process_instance_history", tags=TAGS, responses={200: HistoryOutput, **NOT_FOUND})
    def get(self, request: Request, instance_id: UUID) -> Response:
        """What has become of its steps, in the order in which they became ready, at most a thousand."""
        instance = queries.get_instance(request.user, instance_id)
        return Response({"results": StepRunOutput(queries.list_step_runs(request.user, instance.pk), many=True).data})


class SuspendInstanceView(APIView):
    @extend_schema(operation_id="suspend_process_instance", tags=TAGS, request=None, responses=MOVED)
    def post(self, request: Request, instance_id: UUID) -> Response:
        """Let nothing new of it begin; what runs finishes."""
        check_operable(request.user, queries.get_instance(request.user, instance_id).pk)
        return Response({"id": instance_id, "status": pause_execution(execution_id=instance_id)})


class ActivateInstanceView(APIView):
    @extend_schema(operation_id="activate_process_instance", tags=TAGS, request=None, responses=MOVED)
    def post(self, request: Request, instance_id: UUID) -> Response:
        """Go on after it was suspended."""
        check_operable(request.user, queries.get_instance(request.user, instance_id).pk)
        return Response({"id": instance_id, "status": resume_execution(execution_id=instance_id)})


class CancelInstanceView(APIView):
    @extend_schema(operation_id="cancel_process_instance", tags=TAGS, request=None, responses=MOVED)
    def post(self, request: Request, instance_id: UUID) -> Response:
        """Stop it for good."""
        check_operable(request.user, queries.get_instance(request.user, instance_id).pk)
        return Response({"id": instance_id, "status": cancel_execution(execution_id=instance_id)})
