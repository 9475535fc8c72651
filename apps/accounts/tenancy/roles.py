"""Roles that a workspace makes itself, beside the built-in ones."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import Count

from apps.accounts.models import Invitation, InWorkspaceQuerySet, Role, User, Workspace
from apps.accounts.permissions import BUILT_IN_ROLES, Permission, permissions_of
from apps.accounts.tenancy.rights import check_within_own
from apps.accounts.tenancy.workspaces import lock_workspace
from apps.core import audit
from apps.core.audit import Verb
from apps.engine.errors import ConflictError, NotFoundError


class RoleNotFoundError(NotFoundError):
    code = "role_not_found"


class RoleNameTakenError(ConflictError):
    code = "role_name_taken"


class RoleInUseError(ConflictError):
    """Members have it, or open invitations promise it; details: {"members": int, "invitations": int}."""

    code = "role_in_use"


def list_roles(user: User, workspace: Workspace) -> InWorkspaceQuerySet:
    """The workspace's own roles by name, each with `member_count`."""
    found = Role.objects.visible_to(user).filter(workspace=workspace)
    return found.annotate(member_count=Count("memberships")).order_by("name")


def get_role(user: User, workspace: Workspace, role_id: UUID) -> Role:
    """Raises RoleNotFoundError."""
    role = list_roles(user, workspace).filter(pk=role_id).first()
    if role is None:
        raise RoleNotFoundError(f"Workspace '{workspace.name}' has no role {role_id} of its own.")
    return role


@transaction.atomic
def create_role(*, actor: User, workspace: Workspace, name: str, permissions: Sequence[str], description: str = "") -> Role:
    """Make a role. Raises RoleNameTakenError, BeyondOwnRightsError."""
    check_within_own(actor, workspace.pk, permissions_of("", list(permissions)))
    role = _save(Role(workspace=workspace, name=name, description=description, permissions=_ordered(permissions)))
    audit.record(Verb.ROLE_CREATED, role, after=_shown(role))
    return role


@transaction.atomic
def update_role(
    *, actor: User, role: Role, name: str | None = None, description: str | None = None, permissions: Sequence[str] | None = None
) -> Role:
    """Change a role, and with it the rights of all who have it; None leaves as it is. Raises RoleNameTakenError, BeyondOwnRightsError."""
    before = _shown(role)
    if permissions is not None:
        # Those that it had as well: who lacks them could not give them back.
        check_within_own(actor, role.workspace_id, permissions_of("", [*role.permissions, *permissions]))
        role.permissions = _ordered(permissions)
    role.name = role.name if name is None else name
    role.description = role.description if description is None else description
    _save(role)
    if before != (after := _shown(role)):
        audit.record(Verb.ROLE_UPDATED, role, before=before, after=after)
    return role


@transaction.atomic
def delete_role(*, actor: User, role: Role) -> None:
    """Delete a role that nobody has. Raises RoleInUseError, BeyondOwnRightsError."""
    lock_workspace(role.workspace)  # as whoever gives it to somebody does
    check_within_own(actor, role.workspace_id, permissions_of("", role.permissions))
    members = role.memberships.count()
    invitations = Invitation.objects.open().filter(own_role=role).count()
    if members or invitations:
        message = f"Role '{role.name}' is in use: {members} members have it, {invitations} open invitations promise it."
        raise RoleInUseError(message, members=members, invitations=invitations)
    audit.record(Verb.ROLE_DELETED, role, before=_shown(role))
    role.delete()


def _ordered(permissions: Sequence[str]) -> list[str]:
    """Each once, in the order in which `Permission` has them."""
    return [permission.value for permission in Permission if permission in permissions]


def _shown(role: Role) -> dict[str, Any]:
    return {"name": role.name, "description": role.description, "permissions": role.permissions}


def _save(role: Role) -> Role:
    if role.name.lower() in BUILT_IN_ROLES:
        raise RoleNameTakenError(f"'{role.name}' is the name of a built-in role.", name=role.name)
    try:
        with transaction.atomic():
            role.save()
    except IntegrityError as error:
        if "role_name_unique_in_workspace" not in str(error):
            raise
        raise RoleNameTakenError(f"The workspace has a role named '{role.name}' already.", name=role.name) from error
    return role
