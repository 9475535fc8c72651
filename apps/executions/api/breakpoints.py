"""Stepping through test runs over HTTP."""

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.core.api.serializers import AnyJson, ErrorSerializer, InputSerializer, JsonObject
from apps.executions import breakpoints, queries
from apps.executions.api.serializers import StatusOutput

REFUSED = {404: ErrorSerializer, 409: ErrorSerializer, 422: ErrorSerializer}


class StepInput(InputSerializer):
    node = serializers.CharField(max_length=64, help_text="Key of a node that it is stopped at.")
    path = serializers.CharField(max_length=64, required=False, default="", allow_blank=True, help_text='Item of a loop; "" outside.')


class EditedOutputInput(InputSerializer):
    key = serializers.CharField(max_length=64, help_text="Of a node that has ended with success.")
    path = serializers.CharField(max_length=64, required=False, default="", allow_blank=True)
    output = AnyJson(help_text="What the nodes after it read from now on.")


class EditInput(InputSerializer):
    variables = JsonObject(required=False, default=dict, help_text="{name: value} of the variables to change.")
    outputs = EditedOutputInput(many=True, required=False, default=list, max_length=100)


class StoppedOutput(serializers.Serializer[Any]):
    key = serializers.CharField()
    path = serializers.CharField()
    since = serializers.DateTimeField()
    fault = serializers.CharField(allow_null=True, help_text="Why the condition could not be evaluated.")


class BreakpointsOutput(serializers.Serializer[Any]):
    nodes = JsonObject(help_text="{node key: condition, or null}")
    is_stepping = serializers.BooleanField(help_text="Whether it stops before every node.")
    stopped_at = StoppedOutput(many=True)


class BreakpointsView(APIView):
    @extend_schema(
        operation_id="get_breakpoints", tags=["breakpoints"], responses={200: BreakpointsOutput, 404: ErrorSerializer, 409: ErrorSerializer}
    )
    def get(self, request: Request, execution_id: UUID) -> Response:
        """The breakpoints of a test run, and where it is stopped."""
        execution = queries.get_execution(request.user, execution_id)
        if execution.breakpoints is None:
            raise breakpoints.NotATestRunError("This execution was started without breakpoints.")
        return Response(BreakpointsOutput({**execution.breakpoints, "stopped_at": breakpoints.stopped_at(execution)}).data)


class StepView(APIView):
    @extend_schema(operation_id="step", tags=["breakpoints"], request=StepInput, responses={200: StatusOutput, **REFUSED})
    def post(self, request: Request, execution_id: UUID) -> Response:
        """Run one node that it is stopped at, and stop before what comes next."""
        data = StepInput.read_body(request)
        queries.check_operable(request.user, execution_id)
        return Response({"id": execution_id, "status": breakpoints.step(execution_id=execution_id, key=data["node"], path=data["path"])})


class ContinueView(APIView):
    @extend_schema(operation_id="continue", tags=["breakpoints"], request=None, responses={200: StatusOutput, **REFUSED})
    def post(self, request: Request, execution_id: UUID) -> Response:
        """Go on, up to the next breakpoint."""
        queries.check_operable(request.user, execution_id)
        return Response({"id": execution_id, "status": breakpoints.go_on(execution_id=execution_id)})


class EditView(APIView):
    @extend_schema(operation_id="edit_execution", tags=["breakpoints"], request=EditInput, responses={200: StatusOutput, **REFUSED})
    def post(self, request: Request, execution_id: UUID) -> Response:
        """Change variables and outputs of a test run that is stopped, for this execution alone. History keeps what they were."""
        data = EditInput.read_body(request)
        queries.check_operable(request.user, execution_id)
        return Response({"id": execution_id, "status": breakpoints.edit(execution_id=execution_id, edited_by=request.user, **data)})
