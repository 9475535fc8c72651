"""What was shared with a person: below the models, whose `visible_to` asks it."""

from collections.abc import Mapping
from uuid import UUID

from django.db import connection

from apps.accounts.models import User
from apps.accounts.permissions import Permissions
from apps.workflows.levels import PERMISSIONS

_NOTHING: Permissions = frozenset()


def shared_with(user: User) -> Mapping[UUID, Permissions]:
    """{workflow id: what shares allow} of everything that was shared with the person or their teams, read once for each request.

    A share of a folder holds for what is in it at any depth.
    """
    kept: Mapping[UUID, Permissions] | None = user.__dict__.get("_shared_with")
    if kept is None:
        kept = user.__dict__["_shared_with"] = _read_shared(user)
    return kept


# Folders know their ancestors, so that one statement finds what lies below a shared one.
_READ = """
    select w.id, array_agg(g.level)
      from workflow_grant g join workflow w on w.id = g.workflow_id
     where (g.user_id = %(user)s or g.team_id = any(%(teams)s)) group by w.id
    union all
    select w.id, array_agg(g.level)
      from workflow_grant g join folder f on f.ancestors @> array[g.folder_id] join workflow w on w.folder_id = f.id
     where (g.user_id = %(user)s or g.team_id = any(%(teams)s)) and g.folder_id is not null group by w.id
"""


def _read_shared(user: User) -> dict[UUID, Permissions]:
    if not user.access.takes_grants:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(_READ, {"user": user.pk, "teams": list(user.access.teams)})
        found: dict[UUID, Permissions] = {}
        for workflow_id, levels in cursor.fetchall():
            allowed = _NOTHING.union(*(PERMISSIONS[level] for level in levels))
            found[workflow_id] = found.get(workflow_id, _NOTHING) | allowed
    return found
