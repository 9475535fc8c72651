"""Node runs, and the joins between them."""

from django.db import models
from django.db.models import F, Q

from apps.accounts.models import User, Workspace
from apps.engine.statuses import SETTLED_NODE_RUN, NodeRunStatus
from apps.executions.models_common import choices_of, readable
from apps.executions.models_executions import Execution
from apps.executions.models_waiting import WAITS_FOR_LENGTH, Hold

ENDED_NODE_RUN = sorted(status.value for status in SETTLED_NODE_RUN)


class NodeRunQuerySet(models.QuerySet["NodeRun"]):
    def visible_to(self, user: User) -> "NodeRunQuerySet":
        return self if user.access.is_operator else self.filter(readable(user, execution="execution__"))


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
    status = models.CharField(max_length=16, choices=choices_of(NodeRunStatus))
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
