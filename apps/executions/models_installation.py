"""What holds for more than one execution: limits, and the state of the engine as a whole."""

from django.conf import settings
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import Q

from apps.accounts.models import User, Workspace
from apps.accounts.permissions import Permission
from apps.core.models import BaseModel


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


class EngineState(models.Model):
    """One value of the engine as a whole, by name: the epoch of Redis."""

    name = models.CharField(max_length=32, primary_key=True)
    value = models.CharField(max_length=64)

    class Meta:
        db_table = "engine_state"

    def __str__(self) -> str:
        return self.name
