"""By which names a task holds people, and which of them are somebody's own.

user:<id>   team:<id>   role:<id of a role that the workspace made>   role:<id of the workspace>:<built-in role>
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db import connection
from django.db.models import Q

from apps.accounts.models import User
from apps.core import fence

_READ = """
select k.key, k.workspace_id, k.in_place_of from (
    select 'user:' || %(user)s::text as key, null::uuid as workspace_id, null::uuid as in_place_of
    union all
    select 'team:' || t.team_id, null, null from team_member t where t.user_id = %(user)s
    union all
    select case when m.own_role_id is null then 'role:' || m.workspace_id || ':' || m.role else 'role:' || m.own_role_id end, null, null
      from membership m where m.user_id = %(user)s
    union all
    select 'user:' || a.user_id, a.workspace_id, a.user_id from absence a
      join membership m on m.workspace_id = a.workspace_id and m.user_id = a.substitute_id
     where a.substitute_id = %(user)s and a.starts_at <= clock_timestamp() and a.ends_at > clock_timestamp()
) k
"""


def user_key(user_id: UUID) -> str:
    return f"user:{user_id}"


@dataclass(frozen=True, slots=True)
class Keys:
    """What somebody is called at this moment.

    own       keys of the person, of their teams and of their roles
    stand_in  {(workspace, key of an absent person): id of that person}
    """

    user_id: UUID
    own: Sequence[str]
    stand_in: Mapping[tuple[UUID, str], UUID]

    def holding(self) -> Q:
        """Condition of the tasks that hold this person, or somebody for whom they stand in."""
        condition = Q(holders__overlap=list(self.own))
        for workspace_id, key in self.stand_in:
            condition |= Q(workspace_id=workspace_id, holders__contains=[key])
        return condition

    def held(self) -> Q:
        """The same as a condition on the rows of `Holder`, which know of open tasks alone."""
        condition = Q(key__in=list(self.own))
        for workspace_id, key in self.stand_in:
            condition |= Q(workspace_id=workspace_id, key=key)
        return condition

    def rights_on(self, workspace_id: UUID, holders: Sequence[str]) -> list[UUID]:
        """In whose right this person may do a task with these holders: their own first, then that of those for whom they stand in."""
        held = set(holders)
        own = [self.user_id] if held.intersection(self.own) else []
        return [*own, *(absent for (workspace, key), absent in self.stand_in.items() if workspace == workspace_id and key in held)]


def keys_of(user: User) -> Keys:
    """Read what `user` is called now."""
    with fence.lifted(), connection.cursor() as cursor:  # somebody's own names, whatever the request may see of others
        cursor.execute(_READ, {"user": user.pk})
        rows = cursor.fetchall()
    own = [key for key, _, absent in rows if absent is None]
    return Keys(user.pk, own, {(workspace_id, key): absent for key, workspace_id, absent in rows if absent is not None})
