"""People and the workspaces that own everything they make."""

from django.contrib.auth.models import AbstractUser
from django.db import models

from apps.core.ids import uuid7
from apps.core.models import BaseModel


class User(AbstractUser):
    """A person who can log in."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)

    class Meta(AbstractUser.Meta):
        db_table = "accounts_user"


class WorkspaceQuerySet(models.QuerySet["Workspace"]):
    def visible_to(self, user: User) -> "WorkspaceQuerySet":
        """Workspaces that `user` may see: all for operators of the installation, else those of the person."""
        return self if user.is_superuser else self.filter(owner=user)


class Workspace(BaseModel):
    """The tenant: every workflow, version and execution belongs to exactly one."""

    name = models.CharField(max_length=128)
    owner = models.ForeignKey(User, on_delete=models.PROTECT, related_name="workspaces")
    is_personal = models.BooleanField(default=False, help_text="Made with its owner's account; there is one a person.")

    objects = WorkspaceQuerySet.as_manager()

    class Meta:
        db_table = "workspace"
        constraints = [
            models.UniqueConstraint(fields=["owner"], condition=models.Q(is_personal=True), name="workspace_one_personal_per_owner"),
        ]

    def __str__(self) -> str:
        return self.name
