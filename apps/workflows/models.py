"""Workflows and their immutable, numbered versions."""

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import F, Func, Q
from django.db.models.functions import Lower, Now

from apps.accounts.models import Team, User, Workspace
from apps.accounts.permissions import Permission
from apps.core.json_fields import JsonDecoder
from apps.core.models import BaseModel
from apps.credentials.models import Credential
from apps.workflows.levels import LINK_CHOICES, Level
from apps.workflows.shares import shared_with


class FolderQuerySet(models.QuerySet["Folder"]):
    def visible_to(self, user: User) -> "FolderQuerySet":
        """Folders of workspaces whose workflows `user` may see, and those that were shared, with all below them."""
        access = user.access
        if access.is_operator:
            return self
        mine = Q(workspace_id__in=access.workspaces_with(Permission.WORKFLOW_VIEW))
        shared = shared_with(user).folders
        return self.filter(mine | Q(pk__in=list(shared)) if shared else mine)


class Folder(BaseModel):
    """A place for workflows, in a tree within its workspace."""

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="folders")
    parent = models.ForeignKey("self", on_delete=models.RESTRICT, null=True, blank=True, related_name="children")
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


class TagQuerySet(models.QuerySet["Tag"]):
    def visible_to(self, user: User) -> "TagQuerySet":
        """Tags of workspaces whose workflows `user` may see. Those of a shared workflow are shown with it, and only there."""
        access = user.access
        return self if access.is_operator else self.filter(workspace_id__in=access.workspaces_with(Permission.WORKFLOW_VIEW))


class Tag(BaseModel):
    """A word that people of a workspace put on workflows."""

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="tags")
    name = models.CharField(max_length=64)
    colour = models.CharField(max_length=7, default="#6366f1", help_text="#rrggbb")

    objects = TagQuerySet.as_manager()

    class Meta:
        db_table = "tag"
        constraints = [models.UniqueConstraint("workspace", Lower("name"), name="tag_name_unique_in_workspace")]

    def __str__(self) -> str:
        return self.name


class WorkflowQuerySet(models.QuerySet["Workflow"]):
    def visible_to(self, user: User) -> "WorkflowQuerySet":
        """Workflows that `user` may see or run: by membership, or because they were shared."""
        if user.access.is_operator:
            return self
        mine = Q(workspace_id__in=user.access.workspaces_with(Permission.WORKFLOW_VIEW))
        shared = shared_with(user)
        return self.filter(mine | shared.where(workflow="pk", folder="folder_id") if shared else mine)


class Workflow(BaseModel):
    """The thing that a person names and edits."""

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="workflows")
    name = models.CharField(max_length=128)
    description = models.TextField(blank=True)
    folder = models.ForeignKey(Folder, on_delete=models.SET_NULL, null=True, blank=True, related_name="workflows")
    tags = models.ManyToManyField(Tag, related_name="workflows", blank=True, db_table="workflow_tag")
    archived_at = models.DateTimeField(null=True, blank=True, help_text="Since when it is put away: neither listed by default nor started.")
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
            models.Index(fields=["workspace", "-updated_at", "-id"], name="workflow_changed"),
            # For people of several workspaces, whose lists go through all of them in one order.
            models.Index(fields=["-updated_at", "-id"], name="workflow_changed_of_all"),
            models.Index(fields=["name", "id"], name="workflow_by_name_of_all"),
            models.Index(fields=["workspace", "-created_at", "-id"], condition=Q(archived_at__isnull=False), name="workflow_archived"),
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
        mine = Q(workspace_id__in=user.access.workspaces_with(permission))
        return self.filter(mine | shared_with(user).where(workflow="workflow_id", folder="workflow__folder_id", permission=permission))


class WorkflowVersion(BaseModel):
    """One immutable definition. Saving makes a version; publishing names the one that starts run."""

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+")
    workflow = models.ForeignKey(Workflow, on_delete=models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField(help_text="From 1 within the workflow.")
    label = models.CharField(max_length=64, blank=True, help_text="The author's own version text, such as 1.0.0.")
    definition = models.JSONField(decoder=JsonDecoder)
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


class WorkflowText(models.Model):
    """What a search looks through, kept by triggers of the tables that it comes from; see sql/search_v1.sql."""

    workflow = models.OneToOneField(Workflow, on_delete=models.CASCADE, primary_key=True, related_name="searched")
    text = models.TextField(
        help_text="Name, description, names and types of the newest version's nodes: NFKC, in small letters, a line each."
    )

    class Meta:
        db_table = "workflow_text"
        indexes = [
            # A list of what is pending is read by every search, so it is kept short.
            GinIndex(fields=["text"], opclasses=["gin_trgm_ops"], name="workflow_text_trigrams", gin_pending_list_limit=512),
            # Trigrams say nothing of one or two characters, which are whole words in Chinese.
            GinIndex(Func(F("text"), function="workflow_grams_v1"), name="workflow_text_grams", gin_pending_list_limit=512),
        ]

    def __str__(self) -> str:
        return self.text[:80]


class Favourite(BaseModel):
    """A workflow that somebody wants near at hand."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+", db_index=False)
    workflow = models.ForeignKey(Workflow, on_delete=models.CASCADE, related_name="favourites")

    class Meta:
        db_table = "workflow_favourite"
        constraints = [models.UniqueConstraint(fields=["user", "workflow"], name="workflow_favourite_unique")]

    def __str__(self) -> str:
        return f"{self.workflow} of {self.user}"


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


class WorkflowNode(models.Model):
    """One node of a version, derived from its definition when it is saved."""

    pk = models.CompositePrimaryKey("version_id", "key")
    version = models.ForeignKey(WorkflowVersion, on_delete=models.CASCADE, related_name="nodes", db_index=False)
    key = models.CharField(max_length=64)
    type = models.CharField(max_length=128)
    name = models.CharField(max_length=128, blank=True)

    class Meta:
        db_table = "workflow_node"
        indexes = [models.Index(fields=["type", "version"], name="workflow_node_by_type")]

    def __str__(self) -> str:
        return self.key


class WorkflowEdge(models.Model):
    """One edge of a version, derived from its definition when it is saved."""

    pk = models.CompositePrimaryKey("version_id", "source", "port", "target")
    version = models.ForeignKey(WorkflowVersion, on_delete=models.CASCADE, related_name="edges", db_index=False)
    source = models.CharField(max_length=64)
    port = models.CharField(max_length=64)
    target = models.CharField(max_length=64)

    class Meta:
        db_table = "workflow_edge"

    def __str__(self) -> str:
        return f"{self.source}.{self.port} -> {self.target}"


class DraftQuerySet(models.QuerySet["Draft"]):
    def visible_to(self, user: User) -> "DraftQuerySet":
        """A person's own; operators of the installation see that others exist."""
        return self if user.access.is_operator else self.filter(user=user)


class Draft(BaseModel):
    """What one person works on and has not saved. It starts nothing, and nobody else reads it."""

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+")
    workflow = models.ForeignKey(Workflow, on_delete=models.CASCADE, related_name="drafts", db_index=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    base_version = models.ForeignKey(WorkflowVersion, on_delete=models.RESTRICT, related_name="+", help_text="Where the work began.")
    definition = models.JSONField(decoder=JsonDecoder, help_text="May be no valid definition yet.")

    objects = DraftQuerySet.as_manager()

    class Meta:
        db_table = "workflow_draft"
        constraints = [models.UniqueConstraint(fields=["workflow", "user"], name="workflow_draft_one_per_person")]

    def __str__(self) -> str:
        return f"{self.workflow}: draft of {self.user}"


class VersionRetentionQuerySet(models.QuerySet["VersionRetention"]):
    def visible_to(self, user: User) -> "VersionRetentionQuerySet":
        return self if user.access.is_operator else self.filter(workspace_id__in=list(user.access.permissions))


class VersionRetention(BaseModel):
    """How many versions of each workflow a workspace keeps; without a row, all."""

    workspace = models.OneToOneField(Workspace, on_delete=models.CASCADE, related_name="version_retention")
    keep = models.PositiveIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text="The newest so many; published and used ones stay besides. Empty: all.",
    )

    objects = VersionRetentionQuerySet.as_manager()

    class Meta:
        db_table = "version_retention"
        constraints = [models.CheckConstraint(condition=Q(keep__gte=1), name="version_retention_keeps_one")]

    def __str__(self) -> str:
        return f"{self.workspace}: {self.keep or 'all'}"


class ShareLinkQuerySet(models.QuerySet["ShareLink"]):
    def visible_to(self, user: User) -> "ShareLinkQuerySet":
        """Links of workspaces in which `user` may share."""
        access = user.access
        return self if access.is_operator else self.filter(workspace_id__in=access.workspaces_with(Permission.WORKFLOW_MANAGE))

    def live(self) -> "ShareLinkQuerySet":
        """Neither revoked nor expired; by the database's clock."""
        return self.filter(Q(expires_at__isnull=True) | Q(expires_at__gt=Now()), revoked_at__isnull=True)

    def usable(self) -> "ShareLinkQuerySet":
        """Live, and not used up."""
        return self.live().filter(Q(max_uses__isnull=True) | Q(uses__lt=F("max_uses")))


class ShareLink(BaseModel):
    """An address that opens one workflow to whoever has it. The address itself is kept by nobody but those people."""

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+")
    workflow = models.ForeignKey(Workflow, on_delete=models.CASCADE, related_name="links")
    level = models.CharField(max_length=8, choices=LINK_CHOICES)
    label = models.CharField(max_length=128, blank=True, help_text="Whom it is for, in the words of who made it.")
    token_hash = models.CharField(max_length=64, unique=True, help_text="SHA-256 of the token, in hexadecimal.")
    password = models.CharField(max_length=256, blank=True, help_text="As accounts keep theirs; empty: none is asked.")
    expires_at = models.DateTimeField(null=True, blank=True)
    max_uses = models.PositiveIntegerField(null=True, blank=True)
    uses = models.PositiveIntegerField(default=0)
    last_used_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")

    objects = ShareLinkQuerySet.as_manager()

    class Meta:
        db_table = "share_link"
        constraints = [
            models.CheckConstraint(condition=Q(max_uses__isnull=True) | Q(uses__lte=F("max_uses")), name="share_link_not_overused"),
        ]

    def __str__(self) -> str:
        return f"{self.workflow} as {self.level}"
