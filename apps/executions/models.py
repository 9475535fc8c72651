"""Executions and node runs as tables. Their statuses are written by `protocol` alone, in SQL functions."""

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import F, Func, Q, Value
from django.db.models.functions import Cast, Coalesce, Now

from apps.accounts.models import User, Workspace
from apps.accounts.permissions import Permission
from apps.core.ids import uuid7
from apps.core.models import BaseModel
from apps.engine.statuses import SETTLED_EXECUTION, SETTLED_NODE_RUN, ExecutionStatus, NodeRunStatus
from apps.executions.models_requests import Callback, IdempotentRequest
from apps.executions.models_waiting import WAITS_FOR_LENGTH, Hold, ReceivedEvent
from apps.workflows.models import ShareLink, Workflow, WorkflowVersion
from apps.workflows.shares import shared_with

ENDED_EXECUTION = sorted(status.value for status in SETTLED_EXECUTION)
# A slot of a limit is one of these statuses; see sql/admission_v1.sql.
HOLDING = ["running", "paused", "cancelling"]
NOBODY = Cast(Value("00000000-0000-0000-0000-000000000000"), models.UUIDField())
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
    trigger = models.CharField(max_length=32, help_text="What started it: api, shell, workflow, error, retry and so on.")
    rerun_of = models.ForeignKey(
        "self", on_delete=models.SET_NULL, null=True, blank=True, related_name="reruns", db_index=False, help_text="What it runs again."
    )
    business_key = models.CharField(max_length=255, blank=True)
    idempotency_key = models.CharField(max_length=255, null=True, blank=True)
    input = models.JSONField(default=dict)
    variables = models.JSONField(default=dict)
    output = models.JSONField(null=True, blank=True)
    output_ref = models.CharField(max_length=128, null=True, blank=True)
    error = models.JSONField(null=True, blank=True)
    is_limited = models.BooleanField(
        default=False, db_default=False, help_text="A limit concerned it at the start: its end may let another one in."
    )
    concurrency_key = models.CharField(
        max_length=255, null=True, default="", db_default="", help_text="Empty: none. Null: not known yet, while it is pending."
    )
    max_concurrency = models.IntegerField(null=True, blank=True, help_text="Executions at a time that its version allows, of its key.")
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
    parent_node_run = models.ForeignKey(
        "NodeRun", on_delete=models.SET_NULL, null=True, blank=True, related_name="children", db_index=False, help_text="What started it."
    )
    parent_try = models.IntegerField(null=True, blank=True, help_text="Try of that node run, without those lost with their workers.")
    parent_waits = models.BooleanField(db_default=False, help_text="That node run waits for its end.")
    depth = models.IntegerField(db_default=0, help_text="Executions above it.")

    objects = ExecutionQuerySet.as_manager()

    class Meta:
        db_table = "execution"
        constraints = [
            models.UniqueConstraint(
                fields=["workflow", "idempotency_key"], condition=Q(idempotency_key__isnull=False), name="execution_idempotency_key_unique"
            ),
            models.UniqueConstraint(
                fields=["parent_node_run", "parent_try"], condition=Q(parent_node_run__isnull=False), name="execution_one_child_a_try"
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
            # The slots that are taken; of a workspace, of a person in it, of a key.
            models.Index(F("workspace"), F("started_by"), condition=Q(status__in=HOLDING), name="execution_holding"),
            models.Index(
                F("workflow"), F("concurrency_key"), condition=Q(status__in=HOLDING, concurrency_key__gt=""), name="execution_key_holding"
            ),
            # The lines, one after the other, and each by priority and age; "high" comes before "normal" in the alphabet as well.
            models.Index(
                F("workspace"),
                F("workflow"),
                F("concurrency_key"),
                Coalesce(F("started_by"), NOBODY),
                F("priority"),
                F("created_at"),
                F("id"),
                condition=Q(status="pending", concurrency_key__isnull=False),
                name="execution_waiting",
            ),
            models.Index(F("id"), condition=Q(status="pending", concurrency_key__isnull=True), name="execution_without_key_yet"),
            models.Index(
                F("deadline_at"),
                condition=Q(deadline_at__isnull=False, status__in=["pending", "running", "paused"]),
                name="execution_deadline",
            ),
            models.Index(
                fields=["parent_node_run"],
                condition=Q(parent_waits=True, status__in=["pending", "running", "paused"]),
                name="execution_open_children",
            ),
            models.Index(F("rerun_of"), condition=Q(rerun_of__isnull=False), name="execution_reruns"),
        ]

    def __str__(self) -> str:
        return str(self.id)


class NodeRunQuerySet(models.QuerySet["NodeRun"]):
    def visible_to(self, user: User) -> "NodeRunQuerySet":
        return self if user.access.is_operator else self.filter(_readable(user, execution="execution__"))


class NodeRun(models.Model):
    """One node within one execution. The row is made when the node becomes ready."""

    class Origin(models.TextChoices):
        REUSED = "reused", "reused: another execution had run it"
        EDITED = "edited", "edited: a person gave its output"
        CACHED = "cached", "cached: the output is of an earlier run with the same config"

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
    sends = models.IntegerField(default=0, help_text="Times that it was sent again; below zero: it waits for its first message.")
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
    stop_requested_at = models.DateTimeField(null=True, blank=True, help_text="Since when it is to stop, though its execution goes on.")
    origin = models.CharField(max_length=8, null=True, blank=True, choices=Origin.choices, help_text="None: it ran here.")
    origin_execution = models.UUIDField(null=True, blank=True, help_text="Where it ran, when not here. That execution may be gone.")

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
            models.Index(
                F("queue"), F("sends"), F("workspace"), F("id"), condition=Q(status="queued", sends__lt=0), name="node_run_unsent"
            ),
            models.Index(F("lease_until"), condition=Q(status="running"), name="node_run_lease"),
            models.Index(F("wake_at"), condition=Q(status__in=["waiting", "retrying"]), name="node_run_wake"),
            models.Index(F("execution"), condition=Q(status="uncertain"), name="node_run_uncertain"),
            models.Index(
                F("stop_requested_at"),
                condition=Q(stop_requested_at__isnull=False, status__in=["queued", "running", "waiting", "retrying", "uncertain"]),
                name="node_run_stopping",
            ),
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


class LoopRun(models.Model):
    """A loop while it runs: its items, how far it has come, and what an iteration begins with."""

    id = models.BigAutoField(primary_key=True)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+", db_index=False)
    execution = models.ForeignKey(Execution, on_delete=models.CASCADE, related_name="loop_runs", db_index=False)
    key = models.CharField(max_length=64)
    path = models.CharField(max_length=64, default="", blank=True)
    total = models.IntegerField(help_text="Iterations that there are to be, as far as is known.")
    next_index = models.IntegerField(default=0, help_text="Iterations that have begun.")
    running = models.IntegerField(default=0)
    pending = models.IntegerField(db_default=0, help_text="Of a re-run: iterations that are to go on where they stood.")
    succeeded = models.IntegerField(default=0)
    failed = models.IntegerField(default=0)
    parallel = models.IntegerField(help_text="Iterations at once, at most.")
    collects = models.BooleanField(help_text="A failed iteration does not end the loop.")
    asks = models.BooleanField(help_text="After each iteration the node is asked how to go on.")
    items = models.JSONField(null=True, blank=True, help_text="One for each iteration.")
    blocks = models.JSONField(null=True, blank=True, help_text="[[first index, reference], …] of items that the object store has.")
    entries = models.JSONField(help_text="Node runs that an iteration begins with.")
    body = ArrayField(models.CharField(max_length=64), help_text="Keys of the nodes of an iteration.")
    inside = ArrayField(models.CharField(max_length=64), default=list, help_text="Keys of loops among them, and of all that is in those.")
    failure = models.JSONField(null=True, blank=True, help_text='{"path", "error"} of the iteration that ended the loop.')
    deadline_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "loop_run"
        constraints = [
            models.UniqueConstraint(fields=["execution", "key", "path"], name="loop_run_unique"),
            models.CheckConstraint(condition=Q(running__gte=0, next_index__lte=F("total")), name="loop_run_counts"),
        ]

    def __str__(self) -> str:
        return f"{self.key} {self.next_index}/{self.total}"


class IterationQuerySet(models.QuerySet["Iteration"]):
    def visible_to(self, user: User) -> "IterationQuerySet":
        return self if user.access.is_operator else self.filter(_readable(user, execution="execution__"))


class Iteration(models.Model):
    """One iteration of a loop, from its beginning; its node runs have its path."""

    class Status(models.TextChoices):
        PENDING = "pending", "pending: in a re-run, it is to go on where it stood"
        RUNNING = "running"
        SUCCESS = "success"
        FAILED = "failed"
        CANCELLED = "cancelled"

    id = models.BigAutoField(primary_key=True)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+", db_index=False)
    execution = models.ForeignKey(Execution, on_delete=models.CASCADE, related_name="iterations", db_index=False)
    key = models.CharField(max_length=64, help_text="Of the loop.")
    loop_path = models.CharField(max_length=64, default="", blank=True)
    path = models.CharField(max_length=64)
    index = models.IntegerField()
    status = models.CharField(max_length=16, choices=Status.choices)
    error = models.JSONField(null=True, blank=True)
    begins = models.JSONField(null=True, blank=True, help_text="Node runs with which a pending one goes on.")
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)

    objects = IterationQuerySet.as_manager()

    class Meta:
        db_table = "iteration"
        constraints = [models.UniqueConstraint(fields=["execution", "key", "loop_path", "index"], name="iteration_unique")]
        indexes = [
            models.Index(F("execution"), condition=Q(status="running"), name="iteration_running"),
            models.Index(fields=["execution", "key", "loop_path", "index"], condition=Q(status="pending"), name="iteration_pending"),
            models.Index(
                fields=["execution", "key", "status", "id"], condition=Q(status__in=["failed", "cancelled"]), name="iteration_by_status"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.key}[{self.path}] {self.status}"


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


class ExecutionLimitQuerySet(models.QuerySet["ExecutionLimit"]):
    def visible_to(self, user: User) -> "ExecutionLimitQuerySet":
        """Those of workspaces whose executions `user` sees; that of the installation is for operators."""
        access = user.access
        return self if access.is_operator else self.filter(workspace_id__in=access.workspaces_with(Permission.EXECUTION_VIEW))


class ExecutionLimit(BaseModel):
    """How much may run at a time, beside what the workflows say themselves; counted in sql/admission_v1.sql."""

    class Kind(models.TextChoices):
        INSTALLATION = "installation", "the installation"
        WORKSPACE = "workspace", "a workspace"
        USER = "user", "a person in a workspace"

    kind = models.CharField(max_length=16, choices=Kind.choices)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, null=True, blank=True, related_name="+", db_index=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="+",
        help_text="Whom it is for; empty: everybody of the workspace for whom there is none.",
    )
    max_running = models.IntegerField(
        null=True, blank=True, validators=[MinValueValidator(1)], help_text="Executions at a time. Empty: no limit."
    )
    max_seconds = models.FloatField(
        null=True, blank=True, validators=[MinValueValidator(0.001)], help_text="Run time of one execution. Empty: no limit."
    )
    set_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")

    objects = ExecutionLimitQuerySet.as_manager()

    class Meta:
        db_table = "execution_limit"
        constraints = [
            models.UniqueConstraint(fields=["workspace", "kind", "user"], name="execution_limit_unique", nulls_distinct=False),
            models.CheckConstraint(
                condition=Q(kind="installation", workspace__isnull=True, user__isnull=True)
                | Q(kind="workspace", workspace__isnull=False, user__isnull=True)
                | Q(kind="user", workspace__isnull=False, max_seconds__isnull=True),
                name="execution_limit_names_its_kind",
            ),
            models.CheckConstraint(condition=Q(max_running__gte=1) | Q(max_running__isnull=True), name="execution_limit_lets_one_run"),
            models.CheckConstraint(condition=Q(max_seconds__gt=0) | Q(max_seconds__isnull=True), name="execution_limit_leaves_time"),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {self.max_running or 'any number'}"


class LinkStart(models.Model):
    """Which share link started an execution: it alone may ask for the result."""

    execution = models.OneToOneField(Execution, on_delete=models.CASCADE, primary_key=True, related_name="link_start")
    link = models.ForeignKey(ShareLink, on_delete=models.CASCADE, related_name="starts")

    class Meta:
        db_table = "link_start"

    def __str__(self) -> str:
        return f"{self.execution_id} by a link"


class Ending(models.Model):
    """An execution that has ended and of which something follows; written by a trigger with its end, and gone once that is planned."""

    execution = models.OneToOneField(Execution, on_delete=models.CASCADE, primary_key=True, related_name="+")
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+", db_index=False)
    at = models.DateTimeField()

    class Meta:
        db_table = "execution_ending"

    def __str__(self) -> str:
        return f"{self.execution_id} has ended"


class FollowUpQuerySet(models.QuerySet["FollowUp"]):
    def visible_to(self, user: User) -> "FollowUpQuerySet":
        return self if user.access.is_operator else self.filter(_readable(user, execution="origin__"))

    def open(self) -> "FollowUpQuerySet":
        """Those that are neither started nor given up."""
        return self.filter(execution__isnull=True, error__isnull=True)


class FollowUp(models.Model):
    """An execution that follows from another's end, once it is due: what undoes it, tries again, or deals with its failure."""

    class Kind(models.TextChoices):
        COMPENSATION = "compensation", "undoes what it has done"
        RETRY = "retry", "tries again from the start"
        ERROR = "error", "deals with its failure"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+", db_index=False)
    origin = models.ForeignKey(Execution, on_delete=models.CASCADE, related_name="follow_ups", db_index=False, help_text="What has ended.")
    kind = models.CharField(max_length=16, choices=Kind.choices)
    due_at = models.DateTimeField()
    execution = models.OneToOneField(
        Execution, on_delete=models.CASCADE, null=True, blank=True, related_name="follows", help_text="What was started."
    )
    attempt = models.IntegerField(default=1, help_text="Of a retry: which execution it is, from 1.")
    plan = models.JSONField(null=True, blank=True, help_text="Of a compensation: keys of the undo nodes in their order.")
    error = models.JSONField(null=True, blank=True, help_text="Why it was not started.")
    created_at = models.DateTimeField(db_default=Now())

    objects = FollowUpQuerySet.as_manager()

    class Meta:
        db_table = "execution_follow_up"
        constraints = [models.UniqueConstraint(fields=["origin", "kind"], name="execution_follow_up_once")]
        indexes = [
            models.Index(F("due_at"), condition=Q(execution__isnull=True, error__isnull=True), name="execution_follow_up_due"),
            models.Index(fields=["-created_at"], name="execution_follow_up_newest"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} of {self.origin_id}"


class WorkflowVariableQuerySet(models.QuerySet["WorkflowVariable"]):
    def visible_to(self, user: User) -> "WorkflowVariableQuerySet":
        """Those of workflows whose executions `user` may see."""
        if user.access.is_operator:
            return self
        mine = Q(workspace_id__in=user.access.workspaces_with(Permission.EXECUTION_VIEW))
        of_viewed = shared_with(user).where(workflow="workflow_id", folder="workflow__folder_id", permission=Permission.EXECUTION_VIEW)
        return self.filter(mine | of_viewed) if shared_with(user) else self.filter(mine)


class WorkflowVariable(models.Model):
    """A value that executions of a workflow leave behind for later ones. Where several write it, the last to settle wins."""

    id = models.UUIDField(primary_key=True, default=uuid7, db_default=Func(function="gen_random_uuid"), editable=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+", db_index=False)
    workflow = models.ForeignKey(Workflow, on_delete=models.CASCADE, related_name="variables", db_index=False)
    name = models.CharField(max_length=64)
    value = models.JSONField(null=True)
    execution = models.ForeignKey(
        Execution, on_delete=models.SET_NULL, null=True, blank=True, related_name="+", help_text="That wrote it; null: a person did."
    )
    updated_at = models.DateTimeField(db_default=Now())

    objects = WorkflowVariableQuerySet.as_manager()

    class Meta:
        db_table = "workflow_variable"
        constraints = [models.UniqueConstraint(fields=["workflow", "name"], name="workflow_variable_once")]

    def __str__(self) -> str:
        return self.name


class CachedResult(models.Model):
    """What a node run returned, for runs of the same type with the same config in the same workspace, until it expires."""

    id = models.BigAutoField(primary_key=True)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+", db_index=False)
    digest = models.CharField(max_length=64, help_text="Keyed hash of all that the output depends on; the config itself is not kept.")
    port = models.CharField(max_length=64)
    output = models.JSONField(null=True, blank=True)
    output_ref = models.CharField(max_length=128, null=True, blank=True, help_text="Where an output over the inline limit is stored.")
    variables = models.JSONField(default=dict)
    execution_id = models.UUIDField(help_text="Where it ran. That execution may be gone.")
    expires_at = models.DateTimeField(db_index=True)

    class Meta:
        db_table = "cached_result"
        constraints = [models.UniqueConstraint(fields=["workspace", "digest"], name="cached_result_unique")]

    def __str__(self) -> str:
        return self.digest


class BulkRerunQuerySet(models.QuerySet["BulkRerun"]):
    def visible_to(self, user: User) -> "BulkRerunQuerySet":
        access = user.access
        return self if access.is_operator else self.filter(workspace_id__in=access.workspaces_with(Permission.EXECUTION_VIEW))


class BulkRerun(BaseModel):
    """Many ended executions that are run again, a few first, then the rest at a steady rate. Sweepers carry it on."""

    class Status(models.TextChoices):
        RUNNING = "running"
        DONE = "done"
        STOPPED = "stopped"
        CANCELLED = "cancelled"

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+")
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    origin = models.CharField(max_length=80, help_text="start, failed, or node:<key>.")
    version = models.CharField(max_length=16, help_text="same, newest or published.")
    rate_per_minute = models.IntegerField(help_text="At most so many begin in a minute.")
    canary = models.IntegerField(help_text="So many must succeed before the rest begins.")
    max_failures = models.IntegerField(help_text="It stops when more have failed.")
    total = models.IntegerField()
    status = models.CharField(max_length=16, choices=Status, default=Status.RUNNING)
    reason = models.CharField(max_length=32, blank=True, help_text="Why it stopped: canary_failed, too_many_failures, not_allowed.")
    next_at = models.DateTimeField(db_default=Now(), help_text="When the next may begin.")
    finished_at = models.DateTimeField(null=True, blank=True)

    objects = BulkRerunQuerySet.as_manager()

    class Meta:
        db_table = "bulk_rerun"
        indexes = [
            models.Index(fields=["workspace", "-created_at", "-id"], name="bulk_rerun_newest"),
            models.Index(F("next_at"), condition=Q(status="running"), name="bulk_rerun_under_way"),
        ]

    def __str__(self) -> str:
        return f"{self.total} executions from {self.origin}"


class BulkRerunItem(models.Model):
    """One execution of a bulk re-run."""

    class Status(models.TextChoices):
        WAITING = "waiting"
        STARTING = "starting"
        RUNNING = "running"
        SUCCESS = "success"
        FAILED = "failed"
        REFUSED = "refused", "refused: it could not be run again"

    id = models.BigAutoField(primary_key=True)
    bulk = models.ForeignKey(BulkRerun, on_delete=models.CASCADE, related_name="items", db_index=False)
    execution = models.ForeignKey(Execution, on_delete=models.CASCADE, related_name="+")
    rerun = models.ForeignKey(Execution, on_delete=models.SET_NULL, null=True, related_name="+")
    status = models.CharField(max_length=16, choices=Status, default=Status.WAITING)
    claimed_at = models.DateTimeField(null=True, blank=True)
    error = models.JSONField(null=True, blank=True, help_text="Why it was refused.")

    class Meta:
        db_table = "bulk_rerun_item"
        constraints = [models.UniqueConstraint(fields=["bulk", "execution"], name="bulk_rerun_item_unique")]
        indexes = [models.Index(fields=["bulk", "status", "id"], name="bulk_rerun_item_by_status")]

    def __str__(self) -> str:
        return f"{self.execution_id} {self.status}"


class EngineState(models.Model):
    """One value of the engine as a whole, by name: the epoch of Redis."""

    name = models.CharField(max_length=32, primary_key=True)
    value = models.CharField(max_length=64)

    class Meta:
        db_table = "engine_state"

    def __str__(self) -> str:
        return self.name


__all__ = [
    "Callback",
    "EngineState",
    "Execution",
    "ExecutionEvent",
    "ExecutionEventQuerySet",
    "ExecutionQuerySet",
    "Gate",
    "Hold",
    "IdempotentRequest",
    "LinkStart",
    "NodeRun",
    "NodeRunQuerySet",
    "ReceivedEvent",
]
