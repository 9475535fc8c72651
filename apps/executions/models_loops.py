"""Loops and their iterations."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q

from apps.accounts.models import User, Workspace
from apps.executions.models_common import readable
from apps.executions.models_executions import Execution


class LoopRunQuerySet(models.QuerySet["LoopRun"]):
    def visible_to(self, user: User) -> "LoopRunQuerySet":
        return self if user.access.is_operator else self.filter(readable(user, execution="execution__"))


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

    objects = LoopRunQuerySet.as_manager()

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
        return self if user.access.is_operator else self.filter(readable(user, execution="execution__"))


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
