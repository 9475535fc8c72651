"""Workflows and their immutable, numbered versions."""

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models import Q

from apps.accounts.models import Team, User, Workspace
from apps.accounts.permissions import Permission
from apps.core.models import BaseModel
from apps.credentials.models import Credential
from apps.workflows.levels import Level
from apps.workflows.shares import shared_with


class FolderQuerySet(models.QuerySet["Folder"]):
    def visible_to(self, user: User) -> "FolderQuerySet":
        """Folders of workspaces whose workflows `user` may see."""
        access = user.access
        return self if access.is_operator else self.filter(workspace_id__in=access.workspaces_with(Permission.WORKFLOW_VIEW))


class Folder(BaseModel):
    """A place for workflows, in a tree within its workspace."""

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="folders")
    parent = models.ForeignKey("self", on_delete=models.PROTECT, null=True, blank=True, related_name="children")
    name = models.CharField(max_length=128)
    ancestors = ArrayField(models.UUIDField(), default=list, help_text="Ids from the root to this folder, itself included.")

    objects = FolderQuerySet.as_manager()

    class Meta:
        db_table = "folder"
        constraints = [
            models.UniqueConstraint(fields=["workspace", "parent", "name"], name="folder_name_unique_in_parent", nulls_distinct=False),
        ]
        indexes = [GinIndex(fields=["ancestors"], name="folder_ancestors")]

    def __str__(self) -> str:
        return self.name


class WorkflowQuerySet(models.QuerySet["Workflow"]):
    def visible_to(self, user: User) -> "WorkflowQuerySet":
        """Workflows that `user` may see or run: by membership, or because they were shared."""
        if user.access.is_operator:
            return self
        mine = Q(workspace_id__in=user.access.workspaces_with(Permission.WORKFLOW_VIEW))
        shared = shared_with(user)
        return self.filter(mine | Q(pk__in=list(shared)) if shared else mine)


class Workflow(BaseModel):
    """The thing that a person names and edits."""

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="workflows")
    name = models.CharField(max_length=128)
    description = models.TextField(blank=True)
    folder = models.ForeignKey(Folder, on_delete=models.SET_NULL, null=True, blank=True, related_name="workflows")
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
        indexes = [
            models.Index(fields=["workspace", "-created_at", "-id"], name="workflow_newest"),
            models.Index(fields=["-created_at", "-id"], name="workflow_newest_of_all"),
        ]

    def __str__(self) -> str:
        return self.name


class WorkflowVersionQuerySet(models.QuerySet["WorkflowVersion"]):
    def visible_to(self, user: User) -> "WorkflowVersionQuerySet":
        """Versions whose definition `user` may read."""
        return self._where(user, Permission.WORKFLOW_VIEW)

    def startable_by(self, user: User) -> "WorkflowVersionQuerySet":
        """Versions that `user` may start."""
        return self._where(user, Permission.WORKFLOW_RUN)

    def _where(self, user: User, permission: Permission) -> "WorkflowVersionQuerySet":
        if user.access.is_operator:
            return self
        shared = [workflow for workflow, allowed in shared_with(user).items() if permission in allowed]
        return self.filter(Q(workspace_id__in=user.access.workspaces_with(permission)) | Q(workflow_id__in=shared))


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


class CredentialReference(models.Model):
    """One place of a version that names a credential: which workflows use it is one query."""

    id = models.BigAutoField(primary_key=True)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+", db_index=False)
    version = models.ForeignKey(WorkflowVersion, on_delete=models.CASCADE, related_name="credential_references", db_index=False)
    credential = models.ForeignKey(Credential, on_delete=models.CASCADE, related_name="+")
    key = models.CharField(max_length=64, help_text="Of the node.")
    slot = models.CharField(max_length=64)

    class Meta:
        db_table = "credential_reference"
        constraints = [models.UniqueConstraint(fields=["version", "key", "slot"], name="credential_reference_unique")]

    def __str__(self) -> str:
        return f"{self.version}: {self.key}"


class GrantQuerySet(models.QuerySet["Grant"]):
    def visible_to(self, user: User) -> "GrantQuerySet":
        """Shares of workspaces in which `user` may share."""
        access = user.access
        return self if access.is_operator else self.filter(workspace_id__in=access.workspaces_with(Permission.WORKFLOW_MANAGE))


class Grant(BaseModel):
    """One workflow or folder, shared with one person or team, up to a level."""

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+", help_text="Of what is shared.")
    workflow = models.ForeignKey(Workflow, on_delete=models.CASCADE, null=True, blank=True, related_name="grants")
    folder = models.ForeignKey(Folder, on_delete=models.CASCADE, null=True, blank=True, related_name="grants")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, null=True, blank=True, related_name="grants")
    team = models.ForeignKey(Team, on_delete=models.CASCADE, null=True, blank=True, related_name="grants")
    level = models.CharField(max_length=8, choices=Level)
    granted_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")

    objects = GrantQuerySet.as_manager()

    class Meta:
        db_table = "workflow_grant"
        constraints = [
            models.CheckConstraint(
                condition=Q(workflow__isnull=False, folder__isnull=True) | Q(workflow__isnull=True, folder__isnull=False),
                name="grant_of_one_thing",
            ),
            models.CheckConstraint(
                condition=Q(user__isnull=False, team__isnull=True) | Q(user__isnull=True, team__isnull=False), name="grant_to_one_party"
            ),
            models.UniqueConstraint(fields=["workflow", "folder", "user", "team"], name="grant_unique", nulls_distinct=False),
        ]

    def __str__(self) -> str:
        return f"{self.workflow or self.folder} for {self.user or self.team} as {self.level}"
