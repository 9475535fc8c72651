"""What was shared with a person: below the models, whose `visible_to` asks it."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from django.db import connection
from django.db.models import Q

from apps.accounts.models import User
from apps.accounts.permissions import Permission, Permissions
from apps.workflows.levels import PERMISSIONS

_NOTHING: Permissions = frozenset()


@dataclass(frozen=True, slots=True)
class Shares:
    """What shares allow a person. Its size grows with shares and folders, never with the workflows in them.

    workflows   {id: what shares of the workflow itself allow}
    folders     {id: what shares of the folder, or of one around it, allow with what lies in it}
    """

    workflows: Mapping[UUID, Permissions]
    folders: Mapping[UUID, Permissions]

    def __bool__(self) -> bool:
        return bool(self.workflows or self.folders)

    def on(self, workflow_id: UUID, folder_id: UUID | None) -> Permissions:
        """What shares allow with one workflow."""
        inherited = _NOTHING if folder_id is None else self.folders.get(folder_id, _NOTHING)
        return self.workflows.get(workflow_id, _NOTHING) | inherited

    def where(self, *, workflow: str, folder: str, permission: Permission | None = None) -> Q:
        """A condition on rows: their workflow was shared with this permission, or with any.

        workflow, folder   names of the columns with the workflow's id and its folder's
        """
        workflows = [key for key, allowed in self.workflows.items() if permission is None or permission in allowed]
        folders = [key for key, allowed in self.folders.items() if permission is None or permission in allowed]
        # Without shared folders no join is needed.
        return Q(**{f"{workflow}__in": workflows}) | (Q(**{f"{folder}__in": folders}) if folders else Q())


_EMPTY = Shares({}, {})


def shared_with(user: User) -> Shares:
    """All that was shared with the person or their teams, read once for each request."""
    kept: Shares | None = user.__dict__.get("_shared_with")
    if kept is None:
        kept = user.__dict__["_shared_with"] = _read_shared(user)
    return kept


# Folders know their ancestors, so that one statement finds what lies below a shared one.
_READ = """
    select g.workflow_id, null, array_agg(g.level)
      from workflow_grant g
     where (g.user_id = %(user)s or g.team_id = any(%(teams)s)) and g.workflow_id is not null group by g.workflow_id
    union all
    select null, f.id, array_agg(g.level)
      from workflow_grant g join folder f on f.ancestors @> array[g.folder_id]
     where (g.user_id = %(user)s or g.team_id = any(%(teams)s)) and g.folder_id is not null group by f.id
"""


def _read_shared(user: User) -> Shares:
    if not user.access.takes_grants:
        return _EMPTY
    workflows: dict[UUID, Permissions] = {}
    folders: dict[UUID, Permissions] = {}
    with connection.cursor() as cursor:
        cursor.execute(_READ, {"user": user.pk, "teams": list(user.access.teams)})
        for workflow_id, folder_id, levels in cursor.fetchall():
            found, key = (workflows, workflow_id) if folder_id is None else (folders, folder_id)
            found[key] = _NOTHING.union(*(PERMISSIONS[level] for level in levels))
    return Shares(workflows, folders) if workflows or folders else _EMPTY
