"""Limits, and what is counted for them."""

from django.conf import settings
from django.db import models
from django.db.models import Q

from apps.accounts.models import User, Workspace
from apps.core.models import BaseModel
from apps.core.quotas import QuotaName

NAMES = [(name.value, name.value.replace("_", " ")) for name in QuotaName]
# What is counted over all workspaces of a person too.
OF_USERS = [QuotaName.WORKFLOWS.value, QuotaName.EXECUTIONS_PER_DAY.value]


class QuotaQuerySet(models.QuerySet["Quota"]):
    def visible_to(self, user: User) -> "QuotaQuerySet":
        """Limits are set by operators, and listed for them alone; people see the ones that apply to them with what is used."""
        return self if user.access.is_operator else self.none()


class Quota(BaseModel):
    """One limit: of a workspace, of a person, or of every one of them that has none of its own."""

    class Scope(models.TextChoices):
        WORKSPACE = "workspace", "workspaces"
        USER = "user", "people"

    scope = models.CharField(max_length=16, choices=Scope, default=Scope.WORKSPACE)
    workspace = models.ForeignKey(
        Workspace, on_delete=models.CASCADE, null=True, blank=True, related_name="+", help_text="Empty: all of them."
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, null=True, blank=True, related_name="+", help_text="Empty: all of them."
    )
    name = models.CharField(max_length=32, choices=NAMES)
    limit = models.BigIntegerField(null=True, blank=True, help_text="Empty: none, whatever the default is.")

    objects = QuotaQuerySet.as_manager()

    class Meta:
        db_table = "quota"
        constraints = [
            models.UniqueConstraint(
                fields=["scope", "workspace", "user", "name"],
                name="quota_unique",
                nulls_distinct=False,
                violation_error_message="There is such a quota already.",
            ),
            models.CheckConstraint(
                condition=Q(scope="workspace", user__isnull=True) | Q(scope="user", workspace__isnull=True, name__in=OF_USERS),
                name="quota_of_its_scope",
                violation_error_message="A workspace goes with the scope workspaces; a person with people, for workflows and executions.",
            ),
            models.CheckConstraint(condition=Q(limit__isnull=True) | Q(limit__gte=0), name="quota_limit_not_negative"),
        ]

    def __str__(self) -> str:
        return f"{self.get_name_display()} of {self.workspace or self.user or f'all {self.get_scope_display()}'}"


class QuotaDay(models.Model):
    """Executions that one owner started on one day, counted while there is a limit on them."""

    scope = models.CharField(max_length=16, choices=Quota.Scope)
    owner = models.UUIDField()
    day = models.DateField(help_text="In UTC.")
    used = models.BigIntegerField()

    class Meta:
        db_table = "quota_day"
        constraints = [models.UniqueConstraint(fields=["scope", "owner", "day"], name="quota_day_unique")]

    def __str__(self) -> str:
        return f"{self.owner} {self.day}: {self.used}"


class StorageUse(models.Model):
    """Bytes that a workspace keeps, as last measured."""

    workspace = models.OneToOneField(Workspace, on_delete=models.CASCADE, primary_key=True, related_name="+")
    bytes = models.BigIntegerField(
        null=True, help_text="Definitions, inputs and outputs, in the database and in the object store; none: it could not be measured yet."
    )
    measured_at = models.DateTimeField(null=True)
    next_at = models.DateTimeField(db_index=True, help_text="When it is measured again: the longer it took, the later.")

    class Meta:
        db_table = "storage_use"

    def __str__(self) -> str:
        return f"{self.workspace_id}: {self.bytes}"
