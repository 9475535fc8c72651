"""Executions and node runs as tables. Their statuses are written by `protocol` alone, in SQL functions."""

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from apps.accounts.models import User, Workspace
from apps.accounts.permissions import Permission
from apps.core.ids import uuid7
from apps.engine.statuses import SETTLED_EXECUTION, SETTLED_NODE_RUN, ExecutionStatus, NodeRunStatus
from apps.executions.models_waiting import WAITS_FOR_LENGTH, Hold, ReceivedEvent
from apps.workflows.models import ShareLink, Workflow, WorkflowVersion
from apps.workflows.shares import shared_with

ENDED_EXECUTION = sorted(status.value for status in SETTLED_EXECUTION)
ENDED_NODE_RUN = sorted(status.value for status in SETTLED_NODE_RUN)


def _choices(statuses: type[ExecutionStatus] | type[NodeRunStatus]) -> list[tuple[str, str]]:
    return [(status.value, status.value) for status in statuses]


def _readable(user: User, *, execution: str = "") -> Q:
    """What `user` may see: the executions of their workspaces, of workflows shared for viewing, and their own of those shared for running.

    execution   lookup of the execution, with its `__`, from the table that is asked
    """
    mine = Q(workspace_id__in=user.access.workspaces_with(Permission.EXECUTION_VIEW))
    shared = shared_with(user)
    if not shared:
        return mine
    workflow, folder = f"{execution}workflow_id", f"{execution}workflow__folder_id"
    of_viewed = shared.where(workflow=workflow, folder=folder, permission=Permission.EXECUTION_VIEW)
    own_of_run = shared.where(workflow=workflow, folder=folder) & Q(**{f"{execution}started_by": user})
    return mine | of_viewed | own_of_run


class ExecutionQuerySet(models.QuerySet["Execution"]):
    def visible_to(self, user: User) -> "ExecutionQuerySet":
        return self if user.access.is_operator else self.filter(_readable(user))


class Execution(models.Model):
    """One run of one version."""

    class Priority(models.TextChoices):
        HIGH = "high"
        NORMAL = "normal"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+", db_index=False)
    workflow = models.ForeignKey(Workflow, on_delete=models.CASCADE, related_name="executions", db_index=False)
    version = models.ForeignKey(WorkflowVersion, on_delete=models.PROTECT, related_name="executions")
    status = models.CharField(max_length=16, choices=_choices(ExecutionStatus))
    open_nodes = models.IntegerField(help_text="Node runs that have not settled.")
    event_seq = models.BigIntegerField(default=0, help_text="Number of the newest event.")
    priority = models.CharField(max_length=8, choices=Priority.choices, default=Priority.NORMAL)
    trigger = models.CharField(max_length=32, help_text="What started it: manual, api, sql, shell, link, test.")
    business_key = models.CharField(max_length=255, blank=True)
    idempotency_key = models.CharField(max_length=255, null=True, blank=True)
    input = models.JSONField(default=dict)
    variables = models.JSONField(default=dict)
    output = models.JSONField(null=True, blank=True)
    output_ref = models.CharField(max_length=128, null=True, blank=True)
    error = models.JSONField(null=True, blank=True)
    breakpoints = models.JSONField(
        null=True, blank=True, help_text='Of a test run: {"nodes": {key: condition or null}, "is_stepping": bool}; empty for every other.'
    )
    cancel_requested = models.BooleanField(default=False)
    cancelling_since = models.DateTimeField(null=True, blank=True)
    started_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    deadline_at = models.DateTimeField(null=True, blank=True)

    objects = ExecutionQuerySet.as_manager()

    class Meta:
        db_table = "execution"
        constraints = [
            models.UniqueConstraint(
                fields=["workflow", "idempotency_key"], condition=Q(idempotency_key__isnull=False), name="execution_idempotency_key_unique"
            ),
            models.CheckConstraint(condition=Q(open_nodes__gte=0), name="execution_open_nodes_not_negative"),
            # The strongest of all: an execution neither ends with work left nor stays open without work.
            models.CheckConstraint(
                condition=Q(open_nodes=0, status__in=ENDED_EXECUTION) | Q(open_nodes__gt=0) & ~Q(status__in=ENDED_EXECUTION),
                name="execution_ends_with_its_last_node",
            ),
            models.CheckConstraint(
                condition=Q(finished_at__isnull=False, status__in=ENDED_EXECUTION)
                | Q(finished_at__isnull=True) & ~Q(status__in=ENDED_EXECUTION),
                name="execution_finished_at_when_settled",
            ),
        ]
        indexes = [
            models.Index(fields=["workspace", "-created_at", "-id"], name="execution_newest"),
            models.Index(fields=["-created_at", "-id"], name="execution_newest_of_all"),
            models.Index(fields=["business_key", "-created_at"], condition=~Q(business_key=""), name="execution_business_key"),
            models.Index(fields=["workflow", "status", "-created_at"], name="execution_by_workflow"),
            models.Index(F("cancelling_since"), condition=Q(status="cancelling"), name="execution_cancelling"),
            models.Index(
                F("deadline_at"),
                condition=Q(deadline_at__isnull=False, status__in=["pending", "running", "paused"]),
                name="execution_deadline",
            ),
        ]

    def __str__(self) -> str:
        return str(self.id)


class NodeRunQuerySet(models.QuerySet["NodeRun"]):
    def visible_to(self, user: User) -> "NodeRunQuerySet":
        return self if user.access.is_operator else self.filter(_readable(user, execution="execution__"))


class NodeRun(models.Model):
    """One node within one execution. The row is made when the node becomes ready."""

    id = models.BigAutoField(primary_key=True)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+", db_index=False)
    execution = models.ForeignKey(Execution, on_delete=models.CASCADE, related_name="node_runs", db_index=False)
    key = models.CharField(max_length=64)
    path = models.CharField(max_length=64, default="", blank=True)
    status = models.CharField(max_length=16, choices=_choices(NodeRunStatus))
    revision = models.IntegerField(default=1, help_text="Grows with every change, so that the live view can tell newer from older.")
    attempt = models.IntegerField(default=1)
    losses = models.IntegerField(default=0, help_text="Times that its worker was lost.")
    claim_token = models.UUIDField(null=True, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    queue = models.CharField(max_length=64)
    worker = models.CharField(max_length=128, blank=True, default="")
    due_at = models.DateTimeField(null=True, blank=True, help_text="When a queued row that nobody claimed is sent again.")
    sends = models.IntegerField(default=0, help_text="Times that it was sent again.")
    queued_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    effect_started_at = models.DateTimeField(null=True, blank=True)
    on_worker_lost = models.CharField(max_length=8, default="rerun", help_text="rerun, ask or fail.")
    wake_at = models.DateTimeField(null=True, blank=True)
    waits_for = models.CharField(max_length=WAITS_FOR_LENGTH, null=True, blank=True, help_text="Name of the signal that wakes it.")
    deferred = models.JSONField(null=True, blank=True, help_text='{"state": any, "signal": any} of a deferred node.')
    held_by = models.ForeignKey(
        Hold,
        on_delete=models.DO_NOTHING,
        null=True,
        related_name="+",
        db_constraint=False,
        db_index=False,
        help_text="Hold that put it aside.",
    )
    port = models.CharField(max_length=64, null=True, blank=True)
    input = models.JSONField(null=True, blank=True, help_text="The config with its expressions resolved.")
    output = models.JSONField(null=True, blank=True)
    output_ref = models.CharField(max_length=128, null=True, blank=True, help_text="Where an output over the inline limit is stored.")
    error = models.JSONField(null=True, blank=True)

    objects = NodeRunQuerySet.as_manager()

    class Meta:
        db_table = "node_run"
        constraints = [
            models.UniqueConstraint(fields=["execution", "key", "path"], name="node_run_unique"),
            models.CheckConstraint(
                condition=Q(status="running", lease_until__isnull=False, claim_token__isnull=False)
                | ~Q(status="running") & Q(lease_until__isnull=True),
                name="node_run_running_has_lease",
            ),
            models.CheckConstraint(condition=~Q(status="queued") | Q(due_at__isnull=False), name="node_run_queued_has_due_at"),
            models.CheckConstraint(condition=~Q(status="retrying") | Q(wake_at__isnull=False), name="node_run_retrying_has_wake_at"),
            models.CheckConstraint(
                condition=~Q(status="waiting") | Q(wake_at__isnull=False) | Q(waits_for__isnull=False),
                name="node_run_waiting_has_a_way_out",
            ),
            models.CheckConstraint(
                condition=Q(finished_at__isnull=False, status__in=ENDED_NODE_RUN)
                | Q(finished_at__isnull=True) & ~Q(status__in=ENDED_NODE_RUN),
                name="node_run_finished_at_when_settled",
            ),
        ]
        indexes = [
            models.Index(F("due_at"), condition=Q(status="queued"), name="node_run_due"),
            models.Index(F("lease_until"), condition=Q(status="running"), name="node_run_lease"),
            models.Index(F("wake_at"), condition=Q(status__in=["waiting", "retrying"]), name="node_run_wake"),
            models.Index(F("execution"), condition=Q(status="uncertain"), name="node_run_uncertain"),
            models.Index(F("held_by"), condition=Q(status="queued", held_by__isnull=False), name="node_run_held"),
            models.Index(
                fields=["workspace", "waits_for"], condition=Q(status="waiting", waits_for__isnull=False), name="node_run_waits_for"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.key}{f'[{self.path}]' if self.path else ''} {self.status}"


class Gate(models.Model):
    """Arrivals at a join of in-degree over one, counted under the lock of the execution."""

    id = models.BigAutoField(primary_key=True)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+", db_index=False)
    execution = models.ForeignKey(Execution, on_delete=models.CASCADE, related_name="gates", db_index=False)
    key = models.CharField(max_length=64)
    path = models.CharField(max_length=64, default="", blank=True)
    expected = models.IntegerField(help_text="In-edges.")
    needed = models.IntegerField(
        help_text="Live in-edges that open the gate before all have settled; over `expected` where all must settle."
    )
    settled = models.IntegerField(default=0)
    live = models.IntegerField(default=0)

    class Meta:
        db_table = "gate"
        constraints = [
            models.UniqueConstraint(fields=["execution", "key", "path"], name="gate_unique"),
            models.CheckConstraint(condition=Q(settled__lte=F("expected"), live__lte=F("settled")), name="gate_counts"),
        ]

    def __str__(self) -> str:
        return f"{self.key} {self.settled}/{self.expected}"


class ExecutionEventQuerySet(models.QuerySet["ExecutionEvent"]):
    def visible_to(self, user: User) -> "ExecutionEventQuerySet":
        return self if user.access.is_operator else self.filter(_readable(user, execution="execution__"))


class ExecutionEvent(models.Model):
    """One row of history: what one transaction changed, numbered without gaps within its execution."""

    id = models.BigAutoField(primary_key=True)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+", db_index=False)
    execution = models.ForeignKey(Execution, on_delete=models.CASCADE, related_name="events", db_index=False)
    sequence = models.BigIntegerField()
    kind = models.CharField(max_length=32, help_text="started, settled, cancelling, paused, resumed, woken, rescued …")
    at = models.DateTimeField()
    status = models.CharField(max_length=16, help_text="Status of the execution after it.")
    changes = models.JSONField(
        default=list, help_text='[{"key", "path", "status", "attempt", "port", "error"}] of the node runs that it changed.'
    )

    objects = ExecutionEventQuerySet.as_manager()

    class Meta:
        db_table = "execution_event"
        constraints = [models.UniqueConstraint(fields=["execution", "sequence"], name="execution_event_sequence")]

    def __str__(self) -> str:
        return f"{self.sequence} {self.kind}"


class LinkStart(models.Model):
    """Which share link started an execution: it alone may ask for the result."""

    execution = models.OneToOneField(Execution, on_delete=models.CASCADE, primary_key=True, related_name="link_start")
    link = models.ForeignKey(ShareLink, on_delete=models.CASCADE, related_name="starts")

    class Meta:
        db_table = "link_start"

    def __str__(self) -> str:
        return f"{self.execution_id} by a link"


class EngineState(models.Model):
    """One value of the engine as a whole, by name: the epoch of Redis."""

    name = models.CharField(max_length=32, primary_key=True)
    value = models.CharField(max_length=64)

    class Meta:
        db_table = "engine_state"

    def __str__(self) -> str:
        return self.name


__all__ = [
    "EngineState",
    "Execution",
    "ExecutionEvent",
    "ExecutionEventQuerySet",
    "ExecutionQuerySet",
    "Gate",
    "Hold",
    "LinkStart",
    "NodeRun",
    "NodeRunQuerySet",
    "ReceivedEvent",
]
