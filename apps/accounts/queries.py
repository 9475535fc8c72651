"""Reads of people and workspaces."""

from uuid import UUID

from apps.accounts.models import User, Workspace
from apps.accounts.permissions import Permission
from apps.engine.errors import ForbiddenError, NotFoundError


class WorkspaceNotFoundError(NotFoundError):
    code = "workspace_not_found"


class NotAllowedInWorkspaceError(ForbiddenError):
    """The caller is a member, with a role that does not allow it; details: {"permission": str}."""

    code = "not_allowed"


def personal_workspace(user: User) -> Workspace:
    """The workspace that owns what this person makes; for an API key the one that the key is for."""
    if (key_workspace_id := user.access.key_workspace_id) is not None:
        return Workspace.objects.get(pk=key_workspace_id)
    return Workspace.objects.get(owner=user, is_personal=True)


def get_member_workspace(user: User, workspace_id: UUID | None) -> Workspace:
    """A workspace that `user` may see; the personal one where no id is given. Raises WorkspaceNotFoundError."""
    workspace = personal_workspace(user) if workspace_id is None else Workspace.objects.visible_to(user).filter(pk=workspace_id).first()
    if workspace is None:
        raise WorkspaceNotFoundError(f"There is no workspace {workspace_id} that you are in.")
    return workspace


def get_workspace(user: User, workspace_id: UUID | None, permission: Permission) -> Workspace:
    """A workspace to do there what `permission` names; the personal one where no id is given.

    Raises WorkspaceNotFoundError, and NotAllowedInWorkspaceError where the person's role does not allow it.
    """
    workspace = get_member_workspace(user, workspace_id)
    require_in(user, workspace, permission)
    return workspace


def require_in(user: User, workspace: Workspace, permission: Permission) -> None:
    """Raise NotAllowedInWorkspaceError unless `user` may do this in a workspace that they may see."""
    if not user.access.allows(workspace.id, permission):
        raise NotAllowedInWorkspaceError(f"In workspace '{workspace.name}' this needs the right {permission}.", permission=permission)
