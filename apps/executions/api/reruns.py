"""Running executions again over HTTP."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.urls import reverse
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.core.api.serializers import ErrorSerializer, InputSerializer, JsonObject
from apps.executions import queries
from apps.executions.api.serializers import STATUSES
from apps.executions.api.starting import IDEMPOTENCY_KEY, idempotency_key
from apps.executions.models import NodeRun
from apps.executions.rerunning import FAILED, START, Place, Prepared, Rerun, prepare_rerun, rerun_execution
from apps.nodes.contract import Effect

REFUSED = {404: ErrorSerializer, 409: ErrorSerializer, 422: ErrorSerializer}
_PLACE = {"type": "object", "required": ["key"], "properties": {"key": {"type": "string"}, "path": {"type": "string", "default": ""}}}


@extend_schema_field({"oneOf": [{"type": "string"}, _PLACE], "description": 'start, failed, a node key, or {"key", "path"}.'})
class OriginField(serializers.Field[Any, Any, Any, Any]):
    """Where a re-run begins: "start", "failed", or a node; as an object where the node itself is called start or failed."""

    default_error_messages = {
        "wrong": 'Expected "start", "failed", a node key, or {{"key": text, "path": text}}, found {found}.',
    }

    def to_internal_value(self, data: Any) -> Any:
        if data in (START, FAILED):
            return data
        place = {"key": data} if isinstance(data, str) else data
        if not (
            isinstance(place, Mapping)
            and place.keys() <= {"key", "path"}
            and all(isinstance(value, str) and len(value) <= 64 for value in place.values())
            and place.get("key")
        ):
            self.fail("wrong", found=str(data)[:80])
        return Place(**place)

    def to_representation(self, value: Any) -> Any:
        return value


# A keyword of Python cannot be written as the name of a field.
RerunInput: type[InputSerializer] = type(
    "RerunInput",
    (InputSerializer,),
    {
        "from": OriginField(required=False, default=START),
        "version": serializers.ChoiceField(
            choices=["same", "newest", "published"],
            required=False,
            default="same",
            help_text="newest: the newest that was saved, published or not.",
        ),
        "input": JsonObject(required=False, default=None, help_text="In place of the old input."),
        "outputs": JsonObject(
            required=False, default=dict, help_text="{node key: output}, in place of what nodes that are reused returned."
        ),
        "priority": serializers.ChoiceField(choices=["high", "normal"], required=False, default=None),
    },
)


class PreviewQuery(InputSerializer):
    preview = serializers.BooleanField(required=False, default=False, help_text="Say what would be reused and run, and make nothing.")


class ReusedOutput(serializers.Serializer[Any]):
    key = serializers.CharField()
    path = serializers.CharField()
    status = serializers.CharField()
    is_edited = serializers.BooleanField(help_text="Its output is given by the caller.")
    origin_execution = serializers.UUIDField(help_text="Where it ran.")


class NodeAgainOutput(serializers.Serializer[Any]):
    key = serializers.CharField()
    effect = serializers.ChoiceField(choices=[effect.value for effect in Effect])
    has_run = serializers.BooleanField(help_text="It had begun in the old execution.")
    starts_now = serializers.BooleanField(help_text="It is among the first to run.")


class RerunOutput(serializers.Serializer[Any]):
    id = serializers.UUIDField(allow_null=True, help_text="The new execution; null in a preview.")
    created = serializers.BooleanField(help_text="False in a preview, and when this idempotency key had made it before.")
    rerun_of = serializers.UUIDField()
    version = serializers.UUIDField()
    version_number = serializers.IntegerField()
    status = serializers.ChoiceField(choices=STATUSES, allow_null=True)
    reused = ReusedOutput(many=True, help_text="Nodes that do not run again, in topological order.")
    runs = NodeAgainOutput(many=True, help_text="Nodes that may run, in topological order.")
    repeated_effects = serializers.ListField(
        child=serializers.CharField(),
        help_text="Keys of nodes with an outside effect that had begun before: it may happen a second time, under a new idempotency key.",
    )


class RerunView(APIView):
    @extend_schema(
        operation_id="rerun_execution",
        tags=["executions"],
        parameters=[PreviewQuery, IDEMPOTENCY_KEY],
        request=RerunInput,
        responses={200: RerunOutput, 202: RerunOutput, **REFUSED},
    )
    def post(self, request: Request, execution_id: UUID) -> Response:
        """Run an ended execution again, as a new execution. 202: it is made. 200: a preview, or this idempotency key had made it."""
        preview = PreviewQuery.read_query(request)["preview"]
        data = RerunInput.read_body(request)
        priority = data.pop("priority")
        asked = Rerun(origin=data.pop("from"), **data)
        execution = queries.get_rerunnable(request.user, execution_id)
        if preview:
            return Response(_shown(prepare_rerun(execution=execution, asked=asked)))
        made = rerun_execution(
            execution=execution,
            asked=asked,
            started_by=request.user,
            idempotency_key=idempotency_key(request),
            priority=priority,
        )
        answer = {**_shown(made.prepared), "id": made.execution_id, "created": made.created, "status": "running" if made.created else None}
        url = reverse("execution", args=[made.execution_id])
        return Response(answer, status=202 if made.created else 200, headers={"Location": url})


def _shown(prepared: Prepared) -> dict[str, Any]:
    return {
        "id": None,
        "created": False,
        "rerun_of": prepared.execution.pk,
        "version": prepared.version.pk,
        "version_number": prepared.version.number,
        "status": None,
        "reused": [_reused(prepared, run) for run in prepared.reused],
        "runs": NodeAgainOutput(prepared.runs, many=True).data,
        "repeated_effects": [one.key for one in prepared.runs if one.effect == Effect.EXTERNAL and one.has_run],
    }


def _reused(prepared: Prepared, run: NodeRun) -> dict[str, Any]:
    return {
        "key": run.key,
        "path": run.path,
        "status": prepared.plan.reused[run.key].status,
        "is_edited": run.key in prepared.asked.outputs,
        "origin_execution": run.origin_execution or prepared.execution.pk,
    }
