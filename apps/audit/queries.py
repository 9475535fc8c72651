"""Reads of the audit log."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import Q

from apps.accounts.models import User
from apps.accounts.permissions import Permission
from apps.accounts.queries import get_workspace
from apps.audit.models import AuditChain, AuditEntry, AuditEntryQuerySet
from apps.core import fence
from apps.core.connections import release_connection

MAX_VERIFIED = 50_000  # in one call
EXPORT_ROWS = 1000  # read at a time


@dataclass(frozen=True, slots=True)
class Filters:
    """What the log is narrowed to; None narrows nothing.

    verb                  one, or a group of them by its dot: `workflow.`
    at_after, at_before   UTC-aware; the first included, the second not
    search                a part of the name of the object or the actor, or a whole id
    """

    workspace: UUID | None = None
    actor: UUID | None = None
    verb: str | None = None
    object_type: str | None = None
    object_id: str | None = None
    via: str | None = None
    at_after: datetime | None = None
    at_before: datetime | None = None
    search: str | None = None

    def as_query(self) -> Q:
        columns: Mapping[str, Any] = {
            "workspace_id": self.workspace,
            "actor_id": self.actor,
            "verb__startswith" if self.verb and self.verb.endswith(".") else "verb": self.verb,
            "object_type": self.object_type,
            "object_id": self.object_id,
            "via": self.via,
            "at__gte": self.at_after,
            "at__lt": self.at_before,
        }
        query = Q(**{name: value for name, value in columns.items() if value is not None})
        if not self.search:
            return query
        return query & (Q(object_name__icontains=self.search) | Q(actor_name__icontains=self.search) | Q(object_id=self.search))


@dataclass(frozen=True, slots=True)
class Verified:
    """What a check of a chain found.

    checked     entries that were looked at
    last_id     where the next call goes on; None where the chain ends
    broken_id   the first entry that is wrong; None where none is
    fault       changed, cut or ends_early
    """

    checked: int
    last_id: int | None
    broken_id: int | None
    fault: str | None

    @property
    def is_intact(self) -> bool:
        return self.broken_id is None


def list_entries(user: User, filters: Filters) -> AuditEntryQuerySet:
    return AuditEntry.objects.visible_to(user).filter(filters.as_query())


def entries_in_parts(found: AuditEntryQuerySet) -> Iterator[list[AuditEntry]]:
    """All of them, newest first, some at a time: no connection is held between two parts, however slowly they are taken."""
    return fence.kept(_entries_in_parts(found))


def _entries_in_parts(found: AuditEntryQuerySet) -> Iterator[list[AuditEntry]]:
    last_id: int | None = None
    while True:
        part = list((found if last_id is None else found.filter(id__lt=last_id)).order_by("-id")[:EXPORT_ROWS])
        release_connection()
        if part:
            yield part
        if len(part) < EXPORT_ROWS:
            return
        last_id = part[-1].id


def chain_to_verify(user: User, workspace_id: UUID | None) -> UUID | None:
    """The workspace whose chain is meant: where none is named the personal one, and for operators the chain of the installation, None.

    Operators name a workspace that is gone as well: its chain stays.
    Raises WorkspaceNotFoundError, NotAllowedInWorkspaceError.
    """
    if user.access.is_operator and (workspace_id is None or AuditChain.objects.filter(key=workspace_id).exists()):
        return workspace_id
    return get_workspace(user, workspace_id, Permission.AUDIT_VIEW).pk


def verify(workspace_id: UUID | None, *, after: int = 0, limit: int = MAX_VERIFIED) -> Verified:
    """Check a chain from the entry after number `after`."""
    with connection.cursor() as cursor:
        cursor.execute("select * from audit_verify_v1(%s, %s, %s)", [workspace_id, after, limit])
        checked, last_id, is_end, broken_id, fault = cursor.fetchone()
    return Verified(checked, None if is_end or broken_id else last_id, broken_id, fault)
