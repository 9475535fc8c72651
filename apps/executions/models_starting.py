"""How executions came to be: by share links, and by bulk re-runs."""

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from apps.accounts.models import User, Workspace
from apps.accounts.permissions import Permission
from apps.core.models import BaseModel
from apps.executions.models_executions import Execution
from apps.workflows.models import ShareLink


class LinkStart(models.Model):
    """Which share link started an execution: it alone may ask for the result."""

    execution = models.OneToOneField(Execution, on_delete=models.CASCADE, primary_key=True, related_name="link_start")
    link = models.ForeignKey(ShareLink, on_delete=models.CASCADE, related_name="starts")

    class Meta:
        db_table = "link_start"

    def __str__(self) -> str:
        return f"{self.execution_id} by a link"


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
    depth = models.IntegerField(db_default=0, default=0, help_text="Executions that led to it.")
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
