"""Reads of folders, each for somebody, and who may do what with one."""

from collections.abc import Sequence
from uuid import UUID

from django.db.models import Count, Q

from apps.accounts.models import User
from apps.accounts.permissions import Permission, Permissions
from apps.engine.errors import NotFoundError
from apps.workflows.access import NotAllowedError
from apps.workflows.models import Folder, FolderQuerySet
from apps.workflows.shares import shared_with

_NOTHING: Permissions = frozenset()


class FolderNotFoundError(NotFoundError):
    code = "folder_not_found"


def list_folders(user: User, workspace_id: UUID | None = None) -> FolderQuerySet:
    """Folders of one workspace, or of all, by name, each with `workflow_count`: those directly in it that are not archived."""
    found = Folder.objects.visible_to(user) if workspace_id is None else Folder.objects.visible_to(user).filter(workspace_id=workspace_id)
    return found.annotate(workflow_count=Count("workflows", filter=Q(workflows__archived_at__isnull=True))).order_by("name", "id")


def get_folder(user: User, folder_id: UUID, permission: Permission | None = None) -> Folder:
    """One folder as `list_folders` has it, to do with it what `permission` names.

    Raises FolderNotFoundError, and NotAllowedError where it may be seen only.
    """
    folder = list_folders(user).filter(pk=folder_id).first()
    if folder is None:
        raise FolderNotFoundError(f"There is no folder {folder_id} that you may see.")
    if permission is not None:
        require_on_folder(user, folder, permission)
    return folder


def permissions_on_folder(user: User, folder: Folder) -> Permissions:
    """All that `user` may do with a folder and with what lies in it."""
    access = user.access
    if access.is_operator:
        return frozenset(Permission)
    return access.permissions.get(folder.workspace_id, _NOTHING) | shared_with(user).folders.get(folder.pk, _NOTHING)


def require_on_folder(user: User, folder: Folder, permission: Permission) -> None:
    """Raise NotAllowedError unless `user` may do this with a folder that they see."""
    if permission not in permissions_on_folder(user, folder):
        raise NotAllowedError(f"You may see folder '{folder.name}', but this needs the right {permission}.", permission=permission)


def sees_folder(user: User, workspace_id: UUID, folder_id: UUID) -> bool:
    """Whether `user` may know of a folder; whoever was given one workflow or one folder learns nothing of those around it."""
    return user.access.allows(workspace_id, Permission.WORKFLOW_VIEW) or folder_id in shared_with(user).folders


def shown_path(user: User, folder: Folder) -> Sequence[UUID]:
    """Ids from the outermost folder that `user` may see down to this one."""
    return [folder_id for folder_id in folder.ancestors if sees_folder(user, folder.workspace_id, folder_id)]
