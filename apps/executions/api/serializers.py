"""Shapes of executions and node runs; input apart from output."""

from typing import Any

from django.conf import settings
from django.urls import reverse
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from apps.core.api.serializers import AnyJson, InputSerializer, JsonObject
from apps.engine.statuses import ExecutionStatus, NodeRunStatus
from apps.engine.waits import WEBHOOK
from apps.executions.models import Execution, ExecutionEvent, Hold, Iteration, NodeRun
from apps.executions.tokens import Place, resume_token

MAX_WAIT_SECONDS = 60
STATUSES = [status.value for status in ExecutionStatus]
NODE_RUN_STATUSES = [status.value for status in NodeRunStatus]


class BreakpointInput(InputSerializer):
    node = serializers.CharField(max_length=64, help_text="Key of the node to stop before.")
    condition = serializers.CharField(
        max_length=4096, required=False, default=None, help_text="Stop only where this holds, such as `${vars.total > 1000}`."
    )


class CallbackUrl(serializers.CharField):
    """A URL to be called back at; that it can be called is checked by `callbacks`."""

    def __init__(self, **more: Any) -> None:
        super().__init__(max_length=2000, required=False, default=None, **more)


class StartInput(InputSerializer):
    workflow = serializers.UUIDField(required=False, default=None, help_text="Start its published version.")
    version = serializers.UUIDField(required=False, default=None, help_text="Or start this version, published or not.")
    input = JsonObject(required=False, default=dict)
    business_key = serializers.CharField(max_length=255, required=False, default="", allow_blank=True, help_text="Your own name for it.")
    priority = serializers.ChoiceField(choices=Execution.Priority.choices, required=False, default=None)
    breakpoints = BreakpointInput(
        many=True, required=False, default=None, max_length=1000, help_text="Makes it a test run: it stops before these nodes."
    )
    wait = serializers.FloatField(
        min_value=0, max_value=MAX_WAIT_SECONDS, required=False, default=None, help_text="Seconds to wait for the end before answering."
    )
    callback_url = CallbackUrl(help_text="URL that is told of the end by a signed POST.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        return _one_target(attrs)


class OneStartInput(InputSerializer):
    input = JsonObject(required=False, default=dict)
    business_key = serializers.CharField(max_length=255, required=False, default="", allow_blank=True)
    idempotency_key = serializers.CharField(
        max_length=255, required=False, default=None, help_text="Of this start, in its workflow, for ever; its input is not compared."
    )


class BulkStartInput(InputSerializer):
    workflow = serializers.UUIDField(required=False, default=None)
    version = serializers.UUIDField(required=False, default=None)
    priority = serializers.ChoiceField(choices=Execution.Priority.choices, required=False, default=None)
    callback_url = CallbackUrl(help_text="URL that is told of the end of each by a signed POST.")
    starts = OneStartInput(many=True, allow_empty=False, max_length=1000)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        return _one_target(attrs)


def _one_target(attrs: dict[str, Any]) -> dict[str, Any]:
    if (attrs["workflow"] is None) == (attrs["version"] is None):
        raise serializers.ValidationError("Expected either 'workflow' or 'version'.")
    return attrs


class ResolveInput(InputSerializer):
    path = serializers.CharField(max_length=64, required=False, default="", allow_blank=True, help_text='Item of a loop; "" outside.')
    decision = serializers.ChoiceField(
        choices=["rerun", "success", "failed"],
        help_text="rerun: the effect did not happen, do it; success: it did, with `output`; failed: it did not, and must not.",
    )
    output = AnyJson(required=False, default=None)
    message = serializers.CharField(max_length=2000, required=False, default="", allow_blank=True, help_text="Why it failed.")


class ListQuery(InputSerializer):
    workflow = serializers.UUIDField(required=False)
    status = serializers.ChoiceField(choices=STATUSES, required=False)
    trigger = serializers.CharField(max_length=32, required=False)
    business_key = serializers.CharField(max_length=255, required=False)
    parent = serializers.UUIDField(required=False, help_text="Execution that has started them.")
    created_after = serializers.DateTimeField(required=False)
    created_before = serializers.DateTimeField(required=False)
    rerun_of = serializers.UUIDField(required=False, help_text="The re-runs of this execution.")


class EventsQuery(InputSerializer):
    after = serializers.IntegerField(min_value=0, max_value=2**62, required=False, default=0)


class NodeRunsQuery(EventsQuery):
    key = serializers.CharField(max_length=64, required=False)
    path = serializers.CharField(max_length=64, required=False, allow_blank=True, help_text='Iteration, as "3" or "3.1"; "" outside loops.')
    status = serializers.ChoiceField(choices=NODE_RUN_STATUSES, required=False)


class IterationsQuery(EventsQuery):
    node = serializers.CharField(max_length=64, required=False, help_text="Key of the loop.")
    path = serializers.CharField(
        max_length=64, required=False, allow_blank=True, help_text='Iteration around the loop, for one inside another; "" for one outside.'
    )
    status = serializers.ChoiceField(choices=Iteration.Status.choices, required=False)


class PathQuery(InputSerializer):
    path = serializers.CharField(max_length=64, required=False, default="", allow_blank=True, help_text='Item of a loop; "" outside.')


class LinksOutput(serializers.Serializer[Any]):
    """Where an execution is asked for, followed, and stopped: paths on this host."""

    self = serializers.CharField(help_text="Its state, by GET; `ETag` and `If-None-Match` save reading it again.")
    events = serializers.CharField(help_text="Its history, and with `Accept: text/event-stream` what happens as it happens.")
    output = serializers.CharField(help_text="Its output alone, once it has ended.")
    cancel = serializers.CharField(help_text="A POST there has it stop.")
    socket = serializers.CharField(help_text="A WebSocket with a snapshot and what changes.")


class StartedOutput(serializers.Serializer[Any]):
    """An accepted execution, with its result where it has ended."""

    id = serializers.UUIDField()
    status = serializers.ChoiceField(choices=STATUSES)
    output = AnyJson(help_text="Null until it has ended, and where it is large: see `output_url`.")
    output_url = serializers.CharField(allow_null=True, help_text="Where a large output is.")
    error = JsonObject(allow_null=True)
    finished_at = serializers.DateTimeField(allow_null=True)
    links = LinksOutput()


class BulkStartedOutput(serializers.Serializer[Any]):
    class One(serializers.Serializer[Any]):
        id = serializers.UUIDField()
        created = serializers.BooleanField(help_text="False when the `idempotency_key` of this start had made it before.")

        class Meta:
            ref_name = "BulkStarted"

    executions = One(many=True, help_text="In the order of the starts.")


class WaitingOutput(serializers.Serializer[Any]):
    scope = serializers.ChoiceField(
        choices=["workflow", "key", "user", "workspace", "installation"],
        allow_null=True,
        help_text="The narrowest limit that is full; null: none is, and it is about to start.",
    )
    allowed = serializers.IntegerField(allow_null=True, help_text="Executions at a time of that limit.")
    position = serializers.IntegerField(
        help_text="Its place in line, from 1; counted to 10,000, in lists to 1,000, and one more behind that."
    )
    reason = serializers.CharField(help_text="All of it as a sentence.")


class ExecutionSummaryOutput(serializers.ModelSerializer[Execution]):
    workflow = serializers.UUIDField(source="workflow_id")
    workflow_name = serializers.CharField()
    version = serializers.UUIDField(source="version_id")
    version_number = serializers.IntegerField()
    error = JsonObject(allow_null=True)
    waiting = WaitingOutput(allow_null=True, default=None, help_text="Of one that is pending: what it waits for, and behind how many.")

    class Meta:
        model = Execution
        fields = [
            "id",
            "workflow",
            "workflow_name",
            "version",
            "version_number",
            "status",
            "waiting",
            "trigger",
            "priority",
            "business_key",
            "error",
            "created_at",
            "started_at",
            "finished_at",
        ]
        read_only_fields = fields


class HoldShownOutput(serializers.Serializer[Any]):
    """The hold that keeps a node run back."""

    id = serializers.UUIDField()
    scope = serializers.ChoiceField(choices=Hold.Scope.choices)
    reason = serializers.CharField()
    by = serializers.CharField(allow_null=True, help_text="Username.")
    since = serializers.CharField(help_text="Date and time.")
    until = serializers.CharField(allow_null=True, help_text="Date and time.")


class NodeRunOutput(serializers.ModelSerializer[NodeRun]):
    output = AnyJson(source="shown_output", help_text="Null where it is large: see `output_url`.")
    output_url = serializers.SerializerMethodField(help_text="Where an output is that is too large to be shown here.")
    error = JsonObject(allow_null=True)
    note = serializers.CharField(
        allow_null=True,
        default=None,
        help_text="What one that is queued waits for, where that will not end by itself: no worker serves queue gpu.",
    )
    waits_for = serializers.CharField(allow_null=True, help_text="What wakes it: `event:<name>:<correlation key>`, or `webhook`.")
    hold = HoldShownOutput(allow_null=True, help_text="What keeps it from beginning, while it is queued.")
    resume_url = serializers.SerializerMethodField(help_text="While it waits for a webhook: a request there makes it go on.")

    class Meta:
        model = NodeRun
        fields = [
            "key",
            "path",
            "status",
            "revision",
            "attempt",
            "losses",
            "queue",
            "worker",
            "queued_at",
            "started_at",
            "finished_at",
            "wake_at",
            "hold",
            "waits_for",
            "resume_url",
            "port",
            "output",
            "output_url",
            "error",
            "origin",
            "origin_execution",
            "note",
        ]
        read_only_fields = fields

    def get_resume_url(self, node_run: NodeRun) -> str | None:
        return resume_url(node_run) if node_run.status == NodeRunStatus.WAITING and node_run.waits_for == WEBHOOK else None

    def get_output_url(self, node_run: Any) -> str | None:
        is_elsewhere = node_run.output_ref is not None or (node_run.output_bytes is not None and node_run.shown_output is None)
        return node_output_url(node_run) if is_elsewhere and node_run.status == "success" else None


class NodeRunDetailOutput(NodeRunOutput):
    input = AnyJson(help_text="The config with its expressions resolved; null where it has none.")
    output = AnyJson(help_text="Null where it is large: see `output_url`.")

    class Meta(NodeRunOutput.Meta):
        fields = [*NodeRunOutput.Meta.fields, "input"]
        read_only_fields = fields

    def get_output_url(self, node_run: Any) -> str | None:
        return node_output_url(node_run) if node_run.output_ref is not None else None


class ParentOutput(serializers.Serializer[Any]):
    execution = serializers.UUIDField()
    node = serializers.CharField(help_text="Key of the node.")
    path = serializers.CharField(allow_blank=True)


class CallbackOutput(serializers.Serializer[Any]):
    url = serializers.CharField()
    deliveries = serializers.CharField(help_text="Where it stands how far that is, and from where it can be sent again.")


class ChildOutput(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    workflow = serializers.UUIDField(source="workflow_id")
    workflow_name = serializers.CharField()
    status = serializers.ChoiceField(choices=STATUSES)
    node = serializers.CharField(source="parent_node_run.key", help_text="Key of the node that has started it.")
    path = serializers.CharField(source="parent_node_run.path", allow_blank=True)


class ExecutionOutput(ExecutionSummaryOutput):
    input = JsonObject()
    variables = JsonObject()
    output = AnyJson(help_text="Null until it has ended, and where it is large: see `output_url`.")
    output_url = serializers.SerializerMethodField(help_text="Where an output is that is too large to be shown here.")
    rerun_of = serializers.UUIDField(source="rerun_of_id", allow_null=True, help_text="The execution that this one runs again.")
    deadline_at = serializers.DateTimeField(allow_null=True)
    sequence = serializers.IntegerField(source="event_seq", help_text="Number of the newest event.")
    parent = serializers.SerializerMethodField(help_text="The node run that has started it; null: none has.")
    callback = serializers.SerializerMethodField(help_text="Who is told of its end, as its starter asked; null: nobody.")

    class Meta(ExecutionSummaryOutput.Meta):
        fields = [
            *ExecutionSummaryOutput.Meta.fields,
            "parent",
            "depth",
            "rerun_of",
            "deadline_at",
            "callback",
            "sequence",
            "input",
            "variables",
            "output",
            "output_url",
        ]
        read_only_fields = fields

    def get_output_url(self, execution: Execution) -> str | None:
        return output_url(execution.id, execution.output_ref)

    @extend_schema_field(CallbackOutput(allow_null=True))
    def get_callback(self, execution: Any) -> dict[str, Any] | None:
        if execution.callback_url is None:
            return None
        return {"url": execution.callback_url, "deliveries": f"{reverse('notifications')}?execution={execution.id}"}

    @extend_schema_field(ParentOutput(allow_null=True))
    def get_parent(self, execution: Any) -> dict[str, Any] | None:
        if execution.parent_execution_id is None:
            return None
        return {"execution": execution.parent_execution_id, "node": execution.parent_key, "path": execution.parent_path}


class ExecutionWithNodeRunsOutput(ExecutionOutput):
    node_runs = NodeRunOutput(many=True, help_text="In the order in which they became ready, at most a thousand.")
    node_runs_next = serializers.CharField(allow_null=True, help_text="Where the rest of the node runs is.")
    children = ChildOutput(many=True, help_text="Executions that its nodes have started, at most 100; `?parent=` of the list has all.")

    class Meta(ExecutionOutput.Meta):
        fields = [*ExecutionOutput.Meta.fields, "node_runs", "node_runs_next", "children"]
        read_only_fields = fields


class NodeRunsOutput(serializers.Serializer[Any]):
    next = serializers.CharField(allow_null=True)
    results = NodeRunOutput(many=True)


class IterationOutput(serializers.ModelSerializer[Iteration]):
    node = serializers.CharField(source="key", help_text="Key of the loop.")
    path = serializers.CharField(help_text="Path of its node runs.")
    error = JsonObject(allow_null=True)

    class Meta:
        model = Iteration
        fields = ["node", "path", "index", "status", "error", "started_at", "finished_at"]
        read_only_fields = fields


class IterationsOutput(serializers.Serializer[Any]):
    next = serializers.CharField(allow_null=True)
    results = IterationOutput(many=True)


class EventOutput(serializers.ModelSerializer[ExecutionEvent]):
    changes = AnyJson(help_text='[{"key", "path", "status", "attempt", "port", "error"}] of the node runs that it changed.')

    class Meta:
        model = ExecutionEvent
        fields = ["sequence", "kind", "at", "status", "changes"]
        read_only_fields = fields


class EventsOutput(serializers.Serializer[Any]):
    next = serializers.CharField(allow_null=True)
    results = EventOutput(many=True)


class StatusOutput(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    status = serializers.ChoiceField(choices=STATUSES)


def output_url(execution_id: Any, ref: str | None) -> str | None:
    return reverse("execution-output", args=[execution_id]) if ref is not None else None


def resume_url(node_run: NodeRun) -> str:
    """A whole address where PUBLIC_URL tells it, else the path on this host."""
    token = resume_token(Place(node_run.execution_id, node_run.key, node_run.path))
    return f"{settings.PUBLIC_URL}{reverse('resume', args=[token])}"


def node_output_url(node_run: NodeRun) -> str:
    url = reverse("node-run-output", args=[node_run.execution_id, node_run.key])
    return f"{url}?path={node_run.path}" if node_run.path else url
