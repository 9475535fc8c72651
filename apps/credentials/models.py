"""Credentials: what nodes need to be let in elsewhere."""

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from apps.accounts.access import Access
from apps.accounts.models import Team, User, Workspace
from apps.accounts.permissions import Permission
from apps.core.models import BaseModel


class CredentialQuerySet(models.QuerySet["Credential"]):
    def visible_to(self, user: User) -> "CredentialQuerySet":
        """Those of workspaces where the person may see credentials, and those granted."""
        return self._with(user, Permission.CREDENTIAL_VIEW)

    def usable_by(self, user: User) -> "CredentialQuerySet":
        """Those of workspaces where the person may use credentials, and those granted."""
        return self._with(user, Permission.CREDENTIAL_USE)

    def managed_by(self, user: User) -> "CredentialQuerySet":
        """Those that the person may change, delete and share."""
        return self._with(user, Permission.CREDENTIAL_MANAGE, level=CredentialGrant.Level.OWNER)

    def _with(self, user: User, permission: Permission, level: str | None = None) -> "CredentialQuerySet":
        access = user.access
        if access.is_operator:
            return self
        granted = CredentialGrant.objects.reaching(access)
        if level is not None:
            granted = granted.filter(level=level)
        return self.filter(Q(workspace_id__in=access.workspaces_with(permission)) | Q(pk__in=granted.values("credential_id")))


class Credential(BaseModel):
    """One set of secrets, with the fields that may be seen. Its secrets are never read back: workers open them for nodes."""

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+", db_index=False)
    name = models.CharField(max_length=128)
    type = models.CharField(max_length=64, help_text="Name of a credential type; it never changes.")
    fields = models.JSONField(default=dict, help_text="The fields that are no secret.")
    secret_names = ArrayField(models.CharField(max_length=64), default=list, help_text="Names of the secret fields that are set.")
    sealed = models.BinaryField(help_text="The secret fields; see `sealing`.")
    key_id = models.CharField(max_length=32, help_text="Which key sealed it.")
    allowed_hosts = ArrayField(models.CharField(max_length=255), default=list, blank=True, help_text="Where it may be sent.")
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    last_used_at = models.DateTimeField(null=True, blank=True, help_text="To the minute.")
    expires_at = models.DateTimeField(null=True, blank=True, help_text="From then on no node gets it.")

    objects = CredentialQuerySet.as_manager()

    class Meta:
        db_table = "credential"
        constraints = [models.UniqueConstraint(fields=["workspace", "name"], name="credential_name_unique_in_workspace")]
        indexes = [
            models.Index(fields=["workspace", "-created_at", "-id"], name="credential_newest"),
            models.Index(fields=["key_id", "id"], name="credential_key"),
        ]

    def __str__(self) -> str:
        return self.name


class CredentialGrantQuerySet(models.QuerySet["CredentialGrant"]):
    def visible_to(self, user: User) -> "CredentialGrantQuerySet":
        """Those of credentials that the person may share."""
        return self if user.access.is_operator else self.filter(credential__in=Credential.objects.managed_by(user))

    def reaching(self, access: Access) -> "CredentialGrantQuerySet":
        """Those to a person, and to the teams of that person."""
        if not access.takes_grants:
            return self.none()
        return self.filter(Q(user_id=access.user_id) | Q(team_id__in=access.teams))


class CredentialGrant(BaseModel):
    """One credential shared with one person or team, inside its workspace or outside."""

    class Level(models.TextChoices):
        OWNER = "owner", "change, share and use"
        USER = "user", "use"

    credential = models.ForeignKey(Credential, on_delete=models.CASCADE, related_name="grants", db_index=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, null=True, blank=True, related_name="+")
    team = models.ForeignKey(Team, on_delete=models.CASCADE, null=True, blank=True, related_name="+")
    level = models.CharField(max_length=8, choices=Level.choices)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")

    objects = CredentialGrantQuerySet.as_manager()

    class Meta:
        db_table = "credential_grant"
        constraints = [
            models.UniqueConstraint(fields=["credential", "user"], name="credential_grant_one_per_user"),
            models.UniqueConstraint(fields=["credential", "team"], name="credential_grant_one_per_team"),
            models.CheckConstraint(condition=Q(user__isnull=True) ^ Q(team__isnull=True), name="credential_grant_to_one"),
        ]

    def __str__(self) -> str:
        return f"{self.credential}: {self.level}"
