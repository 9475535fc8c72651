"""Variables of a workflow over HTTP."""

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.permissions import Permission
from apps.core.api.serializers import AnyJson, ErrorSerializer, InputSerializer
from apps.engine.definition import KEY_PATTERN
from apps.executions.models import WorkflowVariable
from apps.executions.workflow_variables import delete_variable, get_workflow_of_variables, list_variables, set_variable

ERRORS = {403: ErrorSerializer, 404: ErrorSerializer}


class VariableInput(InputSerializer):
    name = serializers.RegexField(KEY_PATTERN, max_length=64)
    value = AnyJson(help_text="Any JSON value of at most 64 KiB.")


class WorkflowVariableOutput(serializers.ModelSerializer[WorkflowVariable]):
    value = AnyJson()
    execution = serializers.UUIDField(source="execution_id", allow_null=True, help_text="That wrote it; null: a person did.")

    class Meta:
        model = WorkflowVariable
        fields = ["name", "value", "execution", "updated_at"]
        read_only_fields = fields


class WorkflowVariablesView(APIView):
    @extend_schema(
        operation_id="list_workflow_variables",
        tags=["workflows"],
        responses={200: WorkflowVariableOutput(many=True), **ERRORS},
        filters=False,
    )
    def get(self, request: Request, workflow_id: UUID) -> Response:
        """What executions of the workflow have left behind for later ones, by name."""
        workflow = get_workflow_of_variables(request.user, workflow_id, Permission.EXECUTION_VIEW)
        return Response(WorkflowVariableOutput(list_variables(workflow), many=True).data)

    @extend_schema(
        operation_id="set_workflow_variable",
        tags=["workflows"],
        request=VariableInput,
        responses={200: WorkflowVariableOutput, 422: ErrorSerializer, **ERRORS},
    )
    def put(self, request: Request, workflow_id: UUID) -> Response:
        """Write one of them by hand; executions that begin to read it afterwards see it."""
        data: dict[str, Any] = VariableInput.read_body(request)
        workflow = get_workflow_of_variables(request.user, workflow_id, Permission.EXECUTION_OPERATE)
        return Response(WorkflowVariableOutput(set_variable(workflow=workflow, **data)).data)


class WorkflowVariableView(APIView):
    @extend_schema(operation_id="delete_workflow_variable", tags=["workflows"], responses={204: None, **ERRORS})
    def delete(self, request: Request, workflow_id: UUID, variable: str) -> Response:
        """Forget it."""
        delete_variable(workflow=get_workflow_of_variables(request.user, workflow_id, Permission.EXECUTION_OPERATE), name=variable)
        return Response(status=204)
