"""Two executions side by side, over HTTP."""

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.core.api.serializers import AnyJson, ErrorSerializer, JsonObject
from apps.executions import queries
from apps.executions.comparing import Comparison, NodeDifference, compare_executions
from apps.executions.models import Execution, NodeRun


class ChangeOutput(serializers.Serializer[Any]):
    pointer = serializers.CharField(help_text='JSON pointer of the place; "" for the whole.')
    left = AnyJson(required=False, help_text="Missing where there is nothing.")
    right = AnyJson(required=False, help_text="Missing where there is nothing.")
    is_shortened = serializers.BooleanField(help_text="A value is too large to be shown: the text is its beginning, or it is left out.")

    class Meta:
        ref_name = "ExecutionChange"


class ComparedRunOutput(serializers.Serializer[Any]):
    status = serializers.CharField()
    port = serializers.CharField(allow_null=True)
    attempt = serializers.IntegerField()
    duration_ms = serializers.FloatField(allow_null=True, help_text="Null until it has ended.")
    origin = serializers.CharField(allow_null=True)
    error = JsonObject(allow_null=True)


class ComparedNodeOutput(serializers.Serializer[Any]):
    key = serializers.CharField()
    path = serializers.CharField()
    differs = serializers.BooleanField(help_text="Status, port, input or output are not the same.")
    left = ComparedRunOutput(allow_null=True, help_text="Null where it has no run there.")
    right = ComparedRunOutput(allow_null=True)
    input = ChangeOutput(many=True, help_text="Of the config with its expressions resolved.")
    output = ChangeOutput(many=True)


class ComparedPlaceOutput(serializers.Serializer[Any]):
    key = serializers.CharField()
    path = serializers.CharField()


class ComparedSideOutput(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    workflow = serializers.UUIDField()
    version = serializers.UUIDField()
    version_number = serializers.IntegerField()
    status = serializers.CharField()
    duration_ms = serializers.FloatField(allow_null=True)


class ComparisonOutput(serializers.Serializer[Any]):
    left = ComparedSideOutput()
    right = ComparedSideOutput()
    parts_at = ComparedPlaceOutput(allow_null=True, help_text="The first node, in topological order, that differs.")
    input = ChangeOutput(many=True)
    output = ChangeOutput(many=True)
    nodes = ComparedNodeOutput(many=True, help_text="In topological order: all where they are few, else those that differ.")
    is_truncated = serializers.BooleanField(help_text="There are more node runs than were looked at.")


class CompareExecutionsView(APIView):
    @extend_schema(
        operation_id="compare_executions",
        tags=["executions"],
        responses={200: ComparisonOutput, 404: ErrorSerializer, 409: ErrorSerializer},
    )
    def get(self, request: Request, execution_id: UUID, other_id: UUID) -> Response:
        """Where two executions part, and what differs from node to node; they may be of different versions."""
        left, right = (queries.get_execution(request.user, each) for each in (execution_id, other_id))
        return Response(_comparison(compare_executions(left, right)))


def _comparison(found: Comparison) -> dict[str, Any]:
    return {
        "left": _side(found.left),
        "right": _side(found.right),
        "parts_at": None if found.parts_at is None else {"key": found.parts_at[0], "path": found.parts_at[1]},
        "input": found.input,
        "output": found.output,
        "nodes": [_node(node) for node in found.nodes],
        "is_truncated": found.is_truncated,
    }


def _side(execution: Any) -> dict[str, Any]:
    return {
        "id": execution.pk,
        "workflow": execution.workflow_id,
        "version": execution.version_id,
        "version_number": execution.version_number,
        "status": execution.status,
        "duration_ms": _duration_ms(execution),
    }


def _node(node: NodeDifference) -> dict[str, Any]:
    return {
        "key": node.key,
        "path": node.path,
        "differs": node.differs,
        "left": _run(node.left),
        "right": _run(node.right),
        "input": node.input,
        "output": node.output,
    }


def _run(run: NodeRun | None) -> dict[str, Any] | None:
    if run is None:
        return None
    return {name: getattr(run, name) for name in ("status", "port", "attempt", "origin", "error")} | {"duration_ms": _duration_ms(run)}


def _duration_ms(row: Execution | NodeRun) -> float | None:
    if row.started_at is None or row.finished_at is None:
        return None
    return (row.finished_at - row.started_at).total_seconds() * 1000
