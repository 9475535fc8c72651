"""What is done to the audit log beside adding to it."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import connection

from apps.accounts.models import User
from apps.accounts.permissions import Permission
from apps.core.audit import Verb, record

PRUNED_AT_A_TIME = 5000


def note_export(*, user: User, kind: str, filters: Mapping[str, Any]) -> None:
    """Record that somebody took the log away: in the workspace that they narrowed it to and may read, else in their personal one."""
    workspace_id = filters.get("workspace")
    is_readable = workspace_id is not None and user.access.allows(workspace_id, Permission.AUDIT_VIEW)
    record(
        Verb.AUDIT_EXPORTED,
        after={"format": kind, **{name: str(value) for name, value in filters.items()}},
        workspace_id=workspace_id if is_readable else None,
        personal_of=user.pk,
    )


def prune(*, before: datetime) -> int:
    """Delete entries older than `before`, at most PRUNED_AT_A_TIME of each workspace. Returns how many; 30 days are kept in any case."""
    with connection.cursor() as cursor:
        cursor.execute("select audit_prune_v1(%s, %s)", [before, PRUNED_AT_A_TIME])
        (deleted,) = cursor.fetchone()
    return int(deleted)
