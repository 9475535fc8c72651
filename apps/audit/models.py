"""The audit log as tables. Rows are added by the SQL function `audit_record_v1` alone, and are never changed."""

from django.conf import settings
from django.db import models

from apps.accounts.models import User, Workspace
from apps.accounts.permissions import Permission

VIAS = ["api", "admin", "shell", "api_key", "link", "system"]


class AuditEntryQuerySet(models.QuerySet["AuditEntry"]):
    def visible_to(self, user: User) -> "AuditEntryQuerySet":
        """Entries of the workspaces whose log `user` may read; those of no workspace are for operators."""
        access = user.access
        return self if access.is_operator else self.filter(workspace_id__in=access.workspaces_with(Permission.AUDIT_VIEW))


class AuditEntry(models.Model):
    """One change by a person, or by a program in a person's name. It outlives what it names: nothing cascades to it."""

    id = models.BigAutoField(primary_key=True)
    workspace = models.ForeignKey(
        Workspace,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        db_index=False,
        null=True,
        related_name="+",
        help_text="None: it concerns the installation.",
    )
    at = models.DateTimeField()
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, null=True, related_name="+"
    )
    actor_name = models.CharField(max_length=150, blank=True, help_text="As it was then.")
    via = models.CharField(max_length=16, choices=[(via, via) for via in VIAS])
    ip = models.GenericIPAddressField(null=True)
    user_agent = models.TextField(blank=True)
    verb = models.CharField(max_length=64, help_text="A value of `Verb`.")
    object_type = models.CharField(max_length=64, blank=True)
    object_id = models.TextField(blank=True)
    object_name = models.CharField(max_length=200, blank=True, help_text="As it was then.")
    before = models.JSONField(null=True)
    after = models.JSONField(null=True)
    request_id = models.CharField(max_length=64, blank=True)
    previous_hash = models.CharField(max_length=64, blank=True, help_text="Hash of the entry before it in the workspace.")
    hash = models.CharField(max_length=64, help_text="SHA-256 of the entry and of the hash before.")

    objects = AuditEntryQuerySet.as_manager()

    class Meta:
        db_table = "audit_entry"
        verbose_name_plural = "audit entries"
        indexes = [
            models.Index(fields=["workspace", "id"], name="audit_entry_chain"),
            models.Index(fields=["object_id", "id"], name="audit_entry_object"),
            models.Index(fields=["actor", "id"], name="audit_entry_actor"),
            models.Index(fields=["verb", "id"], name="audit_entry_verb"),
            models.Index(fields=["at"], name="audit_entry_at"),
        ]

    def __str__(self) -> str:
        return f"{self.actor_name or 'system'} {self.verb} {self.object_name}".rstrip()


class AuditChain(models.Model):
    """Where the chain of a workspace ends, and where it begins since older entries were pruned."""

    key = models.UUIDField(primary_key=True, help_text="The workspace; zeros for what belongs to none.")
    hash = models.CharField(max_length=64, blank=True, help_text="Of the last entry.")
    last_id = models.BigIntegerField()
    start_hash = models.CharField(max_length=64, blank=True, help_text="Of the last entry that was pruned.")
    start_id = models.BigIntegerField()
    pruned_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "audit_chain"

    def __str__(self) -> str:
        return str(self.key)
