"""What has become of executions, and what follows from that."""

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from apps.accounts.models import User, Workspace
from apps.core.ids import uuid7
from apps.executions.models_common import readable
from apps.executions.models_executions import Execution


class ExecutionEventQuerySet(models.QuerySet["ExecutionEvent"]):
    def visible_to(self, user: User) -> "ExecutionEventQuerySet":
        return self if user.access.is_operator else self.filter(readable(user, execution="execution__"))


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
        return self if user.access.is_operator else self.filter(readable(user, execution="origin__"))

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
