"""Executions."""

from django.conf import settings
from django.db import models
from django.db.models import F, Q, Value
from django.db.models.functions import Cast, Coalesce

from apps.accounts.models import User, Workspace
from apps.core.ids import uuid7
from apps.engine.statuses import SETTLED_EXECUTION, ExecutionStatus
from apps.executions.models_common import choices_of, readable
from apps.workflows.models import Workflow, WorkflowVersion

ENDED_EXECUTION = sorted(status.value for status in SETTLED_EXECUTION)
# A slot of a limit is one of these statuses; see sql/admission_v1.sql.
HOLDING = ["running", "paused", "cancelling"]
NOBODY = Cast(Value("00000000-0000-0000-0000-000000000000"), models.UUIDField())


class ExecutionQuerySet(models.QuerySet["Execution"]):
    def visible_to(self, user: User) -> "ExecutionQuerySet":
        return self if user.access.is_operator else self.filter(readable(user))


class Execution(models.Model):
    """One run of one version."""

    class Priority(models.TextChoices):
        HIGH = "high"
        NORMAL = "normal"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+", db_index=False)
    workflow = models.ForeignKey(Workflow, on_delete=models.CASCADE, related_name="executions", db_index=False)
    version = models.ForeignKey(WorkflowVersion, on_delete=models.PROTECT, related_name="executions")
    status = models.CharField(max_length=16, choices=choices_of(ExecutionStatus))
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
    depth = models.IntegerField(db_default=0, help_text="Executions that led to it, by calls, by events or over HTTP.")

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
