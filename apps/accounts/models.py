"""People and the workspaces that own everything they make."""

from typing import Any

from asgiref.sync import sync_to_async
from django.contrib.auth.models import AbstractUser
from django.contrib.auth.models import UserManager as DjangoUserManager
from django.db import models, transaction

from apps.core.ids import uuid7
from apps.core.models import BaseModel


class UserManager(DjangoUserManager["User"]):
    """Makes a person and the personal workspace together; `create_user` and `createsuperuser` both come through here."""

    use_in_migrations = False

    @transaction.atomic
    def _create_user(self, *args: Any, **fields: Any) -> "User":
        user: User = super()._create_user(*args, **fields)
        Workspace.objects.create_personal(owner=user)
        return user

    async def _acreate_user(self, *args: Any, **fields: Any) -> "User":
        return await sync_to_async(self._create_user)(*args, **fields)


class User(AbstractUser):
    """A person who can log in."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)

    objects = UserManager()  # type: ignore[misc]  # narrows Django's own

    class Meta(AbstractUser.Meta):
        db_table = "accounts_user"


class WorkspaceQuerySet(models.QuerySet["Workspace"]):
    def visible_to(self, user: User) -> "WorkspaceQuerySet":
        """Workspaces that `user` may see: all for operators of the installation, else those of the person."""
        return self if user.is_superuser else self.filter(owner=user)

    def create_personal(self, *, owner: User) -> "Workspace":
        return self.create(owner=owner, is_personal=True, name=owner.get_username()[:128])


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
