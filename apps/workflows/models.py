"""Workflows and their immutable, numbered versions."""

from django.conf import settings
from django.db import models

from apps.accounts.models import User, Workspace
from apps.core.models import BaseModel


class WorkflowQuerySet(models.QuerySet["Workflow"]):
    def visible_to(self, user: User) -> "WorkflowQuerySet":
        return self if user.is_superuser else self.filter(workspace__owner=user)


class Workflow(BaseModel):
    """The thing that a person names and edits."""

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="workflows")
    name = models.CharField(max_length=128)
    description = models.TextField(blank=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    published_version = models.ForeignKey(
        "WorkflowVersion",
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        help_text="The version that a start by workflow runs; none while the workflow is unpublished.",
    )

    objects = WorkflowQuerySet.as_manager()

    class Meta:
        db_table = "workflow"
        constraints = [models.UniqueConstraint(fields=["workspace", "name"], name="workflow_name_unique_in_workspace")]
        indexes = [models.Index(fields=["workspace", "-created_at"], name="workflow_newest")]

    def __str__(self) -> str:
        return self.name


class WorkflowVersionQuerySet(models.QuerySet["WorkflowVersion"]):
    def visible_to(self, user: User) -> "WorkflowVersionQuerySet":
        return self if user.is_superuser else self.filter(workspace__owner=user)


class WorkflowVersion(BaseModel):
    """One immutable definition. Saving makes a version; publishing names the one that starts run."""

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+")
    workflow = models.ForeignKey(Workflow, on_delete=models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField(help_text="From 1 within the workflow.")
    label = models.CharField(max_length=64, blank=True, help_text="The author's own version text, such as 1.0.0.")
    definition = models.JSONField()
    content_hash = models.CharField(max_length=64, help_text="SHA-256 of the canonical definition.")
    start = models.JSONField(default=dict, help_text="What a start needs to know; see `compiled.start_plan`.")
    changelog = models.TextField(blank=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    published_at = models.DateTimeField(null=True, blank=True)

    objects = WorkflowVersionQuerySet.as_manager()

    class Meta:
        db_table = "workflow_version"
        constraints = [models.UniqueConstraint(fields=["workflow", "number"], name="workflow_version_number_unique")]

    def __str__(self) -> str:
        return f"{self.workflow} v{self.number}"
