"""Roles as they are named from outside, and the rule that nobody gives or takes more rights than they have."""

from dataclasses import dataclass
from uuid import UUID

from apps.accounts.models import Invitation, Membership, Role, User, Workspace
from apps.accounts.permissions import BUILT_IN_ROLES, Permissions, permissions_of
from apps.engine.errors import ForbiddenError, InvalidError


class UnknownRoleError(InvalidError):
    """The workspace has no such role; details: {"pointer": str}."""

    code = "unknown_role"


class BeyondOwnRightsError(ForbiddenError):
    """Somebody would give or take rights that they lack; details: {"permissions": [those that are lacking]}."""

    code = "beyond_own_rights"


@dataclass(frozen=True, slots=True)
class RoleChoice:
    """A role as memberships and invitations keep it: one of the two is set."""

    role: str
    own_role: Role | None

    @property
    def name(self) -> str:
        return self.own_role.name if self.own_role else self.role

    @property
    def permissions(self) -> Permissions:
        return permissions_of(self.role, self.own_role.permissions if self.own_role else None)


def find_role(workspace: Workspace, text: str) -> RoleChoice:
    """The role that a text names: a built-in one by name, or one of the workspace's own by its id. Raises UnknownRoleError."""
    if text in BUILT_IN_ROLES:
        return RoleChoice(text, None)
    own = Role.objects.filter(workspace=workspace, pk=role_id).first() if (role_id := _uuid(text)) else None
    if own is None:
        names = ", ".join(BUILT_IN_ROLES)
        raise UnknownRoleError(f"Expected {names}, or the id of a role of this workspace; found '{text[:64]}'.", pointer="/role")
    return RoleChoice("", own)


def role_of(row: Membership | Invitation) -> RoleChoice:
    return RoleChoice(row.role, row.own_role)


def check_within_own(actor: User, workspace_id: UUID, permissions: Permissions) -> None:
    """Raise BeyondOwnRightsError unless `actor` has all of these in the workspace."""
    if missing := permissions - actor.access.permissions_in(workspace_id):
        names = sorted(missing)
        raise BeyondOwnRightsError(f"This concerns rights that you do not have yourself: {', '.join(names)}.", permissions=names)


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
