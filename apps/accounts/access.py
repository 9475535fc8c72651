"""What one person may do where: read once for a request, then asked without the database."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

import orjson
from django.db import connection

from apps.accounts.permissions import Permission, Permissions, permissions_of
from apps.core import fence
from apps.core.postgresql.caller import Caller

if TYPE_CHECKING:
    from apps.accounts.models import User

# Two columns beside a row `u` of accounts_user, so that the statement which finds a person brings the rights along.
ACCESS_COLUMNS = """
    (select jsonb_agg(jsonb_build_array(m.workspace_id, m.role, r.permissions))
       from membership m left join role r on r.id = m.own_role_id where m.user_id = u.id),
    (select array_agg(t.team_id) from team_member t where t.user_id = u.id)
"""
_READ = f"select {ACCESS_COLUMNS} from accounts_user u where u.id = %s"  # noqa: S608  # a constant


@dataclass(frozen=True, slots=True)
class Access:
    """The rights of one person.

    is_operator   of the installation: everything is allowed everywhere
    permissions   {workspace id: what the membership there allows}; workspaces of others are missing
    teams         ids of the person's teams
    takes_grants  what was shared with the person counts too
    """

    user_id: UUID
    is_operator: bool
    permissions: Mapping[UUID, Permissions]
    teams: frozenset[UUID]
    takes_grants: bool = True

    def allows(self, workspace_id: UUID, permission: Permission) -> bool:
        return self.is_operator or permission in self.permissions.get(workspace_id, frozenset())

    def is_member(self, workspace_id: UUID) -> bool:
        return workspace_id in self.permissions

    def workspaces_with(self, permission: Permission) -> list[UUID]:
        """Workspaces whose membership allows it, in a stable order. Operators are told apart by `is_operator`."""
        return sorted(workspace for workspace, allowed in self.permissions.items() if permission in allowed)

    def permissions_in(self, workspace_id: UUID) -> Permissions:
        """All that is allowed in a workspace; empty in one of others."""
        return frozenset(Permission) if self.is_operator else self.permissions.get(workspace_id, frozenset())

    @property
    def key_workspace_id(self) -> UUID | None:
        """The workspace of the API key through which the person is seen; None where there is no key."""
        return None if self.takes_grants else next(iter(self.permissions))

    def restricted_to(self, workspace_id: UUID, permissions: Permissions) -> "Access":
        """The same person seen through a key: one workspace, and of its rights no more than these. No grants reach through it."""
        mine = self.permissions_in(workspace_id) & permissions
        return Access(self.user_id, is_operator=False, permissions={workspace_id: mine}, teams=frozenset(), takes_grants=False)

    def as_caller(self) -> Caller | None:
        """For whom PostgreSQL is to keep up the second fence; None: an operator, who reaches everything anyhow."""
        return None if self.is_operator else Caller(self.user_id, self.key_workspace_id)


def access_of(user: "User") -> Access:
    """Read the rights of a person; `user.access` keeps them."""
    # Of anybody: whom a request names has rights beyond what the one who sends it may see.
    with fence.lifted(), connection.cursor() as cursor:
        cursor.execute(_READ, [user.pk])
        row = cursor.fetchone()
    return access_from(user, *(row or (None, None)))


def access_from(user: "User", memberships: str | None, teams: list[UUID] | None) -> Access:
    """The rights that the ACCESS_COLUMNS tell: JSON [[workspace id, role, own permissions | null]], and ids of teams."""
    permissions = {UUID(workspace_id): permissions_of(role, own) for workspace_id, role, own in orjson.loads(memberships or "[]")}
    return Access(user.pk, is_operator=user.is_superuser, permissions=permissions, teams=frozenset(teams or ()))
