"""Workspaces themselves."""

from uuid import UUID

from django.db import transaction
from django.db.models import OuterRef, Subquery

from apps.accounts.models import Membership, User, Workspace, WorkspaceQuerySet
from apps.accounts.permissions import Permission
from apps.accounts.queries import WorkspaceNotFoundError, require_in
from apps.accounts.tenancy.erasing import erase_workspace
from apps.accounts.tenancy.hooks import contents_of
from apps.core import audit
from apps.core.audit import Verb
from apps.engine.errors import ConflictError


class PersonalWorkspaceError(ConflictError):
    """What is asked for cannot be done with a personal workspace, which is its owner's alone and goes with the account."""

    code = "personal_workspace"


class WorkspaceNotEmptyError(ConflictError):
    """It holds something, and its name was not said; details: {"contents": {kind: count}}."""

    code = "workspace_not_empty"


def list_workspaces(user: User) -> WorkspaceQuerySet:
    """Workspaces that `user` may see, with `my_role`, `my_own_role` and `my_own_role_name`; all null where an operator is no member."""
    mine = Membership.objects.filter(workspace=OuterRef("pk"), user=user)
    return Workspace.objects.visible_to(user).annotate(
        my_role=Subquery(mine.values("role")),
        my_own_role=Subquery(mine.values("own_role_id")),
        my_own_role_name=Subquery(mine.values("own_role__name")),
    )


def get_listed_workspace(user: User, workspace_id: UUID, permission: Permission | None = None) -> Workspace:
    """One workspace as `list_workspaces` has it. Raises as `get_workspace` does."""
    found = list_workspaces(user).filter(pk=workspace_id).first()
    if found is None:
        raise WorkspaceNotFoundError(f"There is no workspace {workspace_id} that you are in.")
    if permission is not None:
        require_in(user, found, permission)
    return found


@transaction.atomic
def create_workspace(*, owner: User, name: str, description: str = "") -> Workspace:
    """Make an organisation, in which `owner` is the first member and owner."""
    workspace = Workspace.objects.create_owned(owner=owner, name=name, description=description)
    audit.record(Verb.WORKSPACE_CREATED, workspace, after=_shown(workspace))
    return workspace


@transaction.atomic
def update_workspace(*, workspace: Workspace, name: str | None = None, description: str | None = None) -> Workspace:
    """Rename or describe; None leaves as it is."""
    before = _shown(workspace)
    if name is not None:
        workspace.name = name
    if description is not None:
        workspace.description = description
    workspace.save(update_fields=["name", "description", "updated_at"])
    if before != (after := _shown(workspace)):
        audit.record(Verb.WORKSPACE_UPDATED, workspace, before=before, after=after)
    return workspace


@transaction.atomic
def delete_workspace(*, workspace: Workspace, confirmed_name: str | None = None) -> None:
    """Delete an organisation with all that is in it, running executions included; their workers find their claims gone.

    confirmed_name   has to be the name of the workspace unless it is empty
    Raises PersonalWorkspaceError, WorkspaceNotEmptyError.
    """
    if workspace.is_personal:
        raise PersonalWorkspaceError(f"'{workspace.name}' is a personal workspace: it goes with the account.")
    contents = contents_of(workspace.pk)
    if contents and confirmed_name != workspace.name:
        held = ", ".join(f"{count} {kind}" for kind, count in contents.items())
        message = f"The workspace holds {held}. To delete them too, send confirm={workspace.name}."
        raise WorkspaceNotEmptyError(message, contents=contents)
    erase_workspace(workspace)
    audit.record(Verb.WORKSPACE_DELETED, workspace, before={**_shown(workspace), "contents": contents})


def lock_workspace(workspace: Workspace) -> None:
    """Let one change of who is in a workspace happen at a time, to the end of the transaction. Starts of executions go on."""
    list(Workspace.objects.select_for_update(no_key=True).filter(pk=workspace.pk).values_list("pk"))


def check_is_shared(workspace: Workspace) -> None:
    """Raise PersonalWorkspaceError for a personal one."""
    if workspace.is_personal:
        message = f"'{workspace.name}' is a personal workspace: it has one member. Make an organisation to work together."
        raise PersonalWorkspaceError(message)


def _shown(workspace: Workspace) -> dict[str, str]:
    return {"name": workspace.name, "description": workspace.description}
