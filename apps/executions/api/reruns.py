"""Running executions again over HTTP."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.core.api.serializers import ErrorSerializer, InputSerializer, JsonObject
from apps.core.depth import depth_in
from apps.engine.rerun_places import Place
from apps.engine.rerun_tree import LoopAgain
from apps.executions import queries
from apps.executions.api.answers_once import IDEMPOTENCY_KEY, IS_REPLAYED, made_once
from apps.executions.api.serializers import STATUSES, CallbackUrl, LinksOutput
from apps.executions.api.starting import links_of
from apps.executions.api.waits import ACCEPTED_HEADERS, RETRY_AFTER_SECONDS
from apps.executions.callbacks import start_calling_back
from apps.executions.models import NodeRun
from apps.executions.rerunning import (
    FAILED,
    START,
    Chosen,
    Iteration,
    Iterations,
    Prepared,
    Rerun,
    Rerunning,
    prepare_rerun,
    rerun_execution,
)
from apps.nodes.contract import Effect

REFUSED = {404: ErrorSerializer, 409: ErrorSerializer, 422: ErrorSerializer}
MAX_PLACES = 1000
_TEXT = {"type": "string"}
_NODE = {"type": "object", "required": ["key"], "properties": {"key": _TEXT}}
_PLACES: list[dict[str, Any]] = [
    _TEXT,
    {"type": "object", "required": ["key"], "properties": {"key": _TEXT, "path": {"type": "string", "default": ""}}},
    {"type": "object", "required": ["loop", "path"], "properties": {"loop": _TEXT, "path": _TEXT}},
    {
        "type": "object",
        "required": ["loop", "status"],
        "properties": {"loop": _TEXT, "status": {"type": "string", "enum": ["failed", "cancelled"]}},
    },
]


@extend_schema_field({"oneOf": [_TEXT, _NODE], "description": 'start, failed, a node key, or {"key"}.'})
class OriginField(serializers.Field[Any, Any, Any, Any]):
    """Where a re-run begins: "start", "failed", or a node outside loops; as an object where the node itself is called start or failed."""

    default_error_messages = {
        "wrong": 'Expected "start", "failed", a node key, or {{"key": text}}, found {found}.',
    }

    def to_internal_value(self, data: Any) -> Any:
        if data in (START, FAILED):
            return data
        key = data.get("key") if isinstance(data, Mapping) and len(data) == 1 else data
        if not (isinstance(key, str) and 0 < len(key) <= 64):
            self.fail("wrong", found=str(data)[:80])
        return Place(key)

    def to_representation(self, value: Any) -> Any:
        return value


@extend_schema_field(
    {
        "oneOf": [*_PLACES, {"type": "array", "items": {"oneOf": _PLACES}, "minItems": 1, "maxItems": MAX_PLACES}],
        "description": 'start, failed, a node such as "send" or in a loop "send[3.7]", an iteration {"loop", "path"}, all iterations of a '
        'loop that ended so {"loop", "status"}, or several of them in a list.',
    }
)
class PlacesField(OriginField):
    """As above, and places in loops."""

    default_error_messages = {
        "wrong": 'Expected "start", "failed", a node key, {{"key": text, "path": text}}, {{"loop": text, "path": text}}, '
        '{{"loop": text, "status": "failed" or "cancelled"}}, or a list of places, found {found}.',
        "many": "Expected 1 to {most} places, found {found}.",
    }

    def to_internal_value(self, data: Any) -> Any:
        if data in (START, FAILED):
            return data
        if not isinstance(data, list):
            return self._place(data)
        if not 0 < len(data) <= MAX_PLACES:
            self.fail("many", most=MAX_PLACES, found=len(data))
        return tuple(map(self._place, data))

    def _place(self, data: Any) -> Chosen:
        found = Place.parse(data) if isinstance(data, str) else _place_of(data)
        if found is None:
            self.fail("wrong", found=str(data)[:80])
        return found


def _place_of(data: Any) -> Chosen | None:
    """What an object names; None where it is none of those."""
    if not isinstance(data, Mapping) or not all(isinstance(value, str) and len(value) <= 64 for value in data.values()):
        return None
    if data.get("key") and data.keys() <= {"key", "path"}:
        return Place.parse(str(Place(**data)))
    if data.get("loop") and data.keys() == {"loop", "path"}:
        place = Place.parse(str(Place(data["loop"], data["path"])))
        return Iteration(place.key, place.path)
    if data.get("loop") and data.keys() == {"loop", "status"} and data["status"] in ("failed", "cancelled"):
        return Iterations(data["loop"], data["status"])
    return None


# A keyword of Python cannot be written as the name of a field.
RerunInput: type[InputSerializer] = type(
    "RerunInput",
    (InputSerializer,),
    {
        "from": PlacesField(required=False, default=START),
        "version": serializers.ChoiceField(
            choices=["same", "newest", "published"],
            required=False,
            default="same",
            help_text="newest: the newest that was saved, published or not.",
        ),
        "input": JsonObject(required=False, default=None, help_text="In place of the old input."),
        "outputs": JsonObject(
            required=False,
            default=dict,
            help_text="{node key: output}, in place of what nodes that are reused returned; in loops the key is `send[3.7]`.",
        ),
        "items": JsonObject(
            required=False,
            default=dict,
            help_text="{`loop[3.7]`: item}, in place of what iterations were about; what reads it has to run again by `from`.",
        ),
        "priority": serializers.ChoiceField(choices=["high", "normal"], required=False, default=None),
        "callback_url": CallbackUrl(help_text="URL that is told of the end by a signed POST."),
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


class LoopAgainOutput(serializers.Serializer[Any]):
    key = serializers.CharField()
    path = serializers.CharField()
    reused = serializers.IntegerField(help_text="Iterations that are taken over as they ended.")
    again = serializers.IntegerField(help_text="Iterations that go on or begin again.")
    begin = serializers.IntegerField(help_text="Iterations that had never begun, as far as is known how many there are.")


class NodeAgainOutput(serializers.Serializer[Any]):
    key = serializers.CharField()
    path = serializers.CharField(help_text="Of its iteration; `*`, or `3.*`, where it may run in each iteration that is yet to begin.")
    effect = serializers.ChoiceField(choices=[effect.value for effect in Effect])
    has_run = serializers.BooleanField(help_text="It had begun in the old execution.")
    starts_now = serializers.BooleanField(help_text="It is among the first to run.")


class RerunOutput(serializers.Serializer[Any]):
    id = serializers.UUIDField(allow_null=True, help_text="The new execution; null in a preview.")
    created = serializers.BooleanField(help_text="False in a preview.")
    rerun_of = serializers.UUIDField()
    version = serializers.UUIDField()
    version_number = serializers.IntegerField()
    status = serializers.ChoiceField(choices=STATUSES, allow_null=True)
    links = LinksOutput(allow_null=True, help_text="Of the new execution.")
    reused = ReusedOutput(
        many=True, help_text="Nodes outside loops that do not run again, in topological order, and outputs given in loops."
    )
    loops = LoopAgainOutput(many=True, help_text="Loops that are taken up again, at most a thousand.")
    runs = NodeAgainOutput(many=True, help_text="Nodes that may run, in topological order; in loops at most a thousand places.")
    has_more_runs = serializers.BooleanField(help_text="More places in loops may run than `runs` names.")
    repeated_effects = serializers.ListField(
        child=serializers.CharField(),
        help_text="Nodes with an outside effect that had begun before: it may happen a second time, under a new idempotency key.",
    )


class RerunView(APIView):
    @extend_schema(
        operation_id="rerun_execution",
        tags=["executions"],
        parameters=[PreviewQuery, IDEMPOTENCY_KEY, *ACCEPTED_HEADERS, IS_REPLAYED],
        request=RerunInput,
        responses={200: RerunOutput, 202: RerunOutput, **REFUSED},
    )
    def post(self, request: Request, execution_id: UUID) -> Response:
        """Run an ended execution again, as a new execution. 202: it is made. 200: a preview."""
        preview = PreviewQuery.read_query(request)["preview"]
        data = RerunInput.read_body(request)
        priority, callback_url = data.pop("priority"), data.pop("callback_url")
        asked = Rerun(origin=data.pop("from"), **data)
        execution = queries.get_rerunnable(request.user, execution_id)
        if preview:
            return Response(_shown(prepare_rerun(execution=execution, asked=asked)))

        def rerun() -> Rerunning:
            depth = depth_in(request.headers)
            return rerun_execution(execution=execution, asked=asked, started_by=request.user, priority=priority, depth=depth)

        def make() -> dict[str, Any]:
            [made] = start_calling_back(workspace_id=execution.workspace_id, url=callback_url, start=lambda: [rerun()])
            return _made(made)

        once = made_once(request, workspace_id=execution.workspace_id, make=make)
        headers = {"Location": once.body["links"]["self"], "Retry-After": str(RETRY_AFTER_SECONDS), **once.headers}
        return Response(once.body, status=202, headers=headers)


def _made(made: Rerunning) -> dict[str, Any]:
    return {
        **_shown(made.prepared),
        "id": made.execution_id,
        "created": True,
        "status": "running",
        "links": links_of(made.execution_id),
    }


def _shown(prepared: Prepared) -> dict[str, Any]:
    return {
        "id": None,
        "created": False,
        "rerun_of": prepared.execution.pk,
        "version": prepared.version.pk,
        "version_number": prepared.version.number,
        "status": None,
        "links": None,
        "reused": [*(_reused(prepared, run) for run in prepared.reused), *_given_in_loops(prepared)],
        "loops": [_loop(loop) for loop in prepared.tree.loops[:MAX_PLACES]],
        "runs": NodeAgainOutput(prepared.runs, many=True).data,
        "has_more_runs": prepared.has_more_runs,
        "repeated_effects": [str(Place(one.key, one.path)) for one in prepared.runs if one.effect == Effect.EXTERNAL and one.has_run],
    }


def _reused(prepared: Prepared, run: NodeRun) -> dict[str, Any]:
    return {
        "key": run.key,
        "path": run.path,
        "status": prepared.plan.reused[run.key].status,
        "is_edited": Place(run.key) in prepared.outputs,
        "origin_execution": run.origin_execution or prepared.execution.pk,
    }


def _given_in_loops(prepared: Prepared) -> list[dict[str, Any]]:
    shared = {"status": "success", "is_edited": True, "origin_execution": prepared.execution.pk}
    return [{"key": place.key, "path": place.path, **shared} for place in prepared.outputs if place.path]


def _loop(loop: LoopAgain) -> dict[str, Any]:
    kept = loop.end.begun if loop.before is None else loop.before
    begin = loop.end.total - loop.end.begun if loop.before is None else 0
    return {"key": loop.key, "path": loop.path, "reused": kept - len(loop.again), "again": len(loop.again), "begin": begin}
