"""Limits on what workspaces and people may have. Any layer may ask; the table, the counting and the pages are in `apps.quotas`.

Limits are few and seldom set, so each process keeps them all for some seconds: where none applies, a check asks nobody.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Literal
from uuid import UUID

import orjson
import psycopg
from django.db import DatabaseError, connection, transaction

from apps.core import fence
from apps.engine.errors import ConflictError

KEPT_SECONDS = 10.0
EXCEEDED = "SFQ01"  # SQLSTATE of quota_take_v1

Scope = Literal["workspace", "user"]


class QuotaName(StrEnum):
    """What can be limited. The values stand in rows and answers: they are stable."""

    WORKFLOWS = "workflows"
    VERSIONS_PER_WORKFLOW = "versions_per_workflow"
    MEMBERS = "members"
    STORED_BYTES = "stored_bytes"
    EXECUTIONS_PER_DAY = "executions_per_day"


class QuotaExceededError(ConflictError):
    """There is no room for more; details: {"name", "scope": "workspace" | "user", "limit", "used", "resets_at": instant | null}."""

    code = "quota_exceeded"


@dataclass(frozen=True, slots=True)
class Limit:
    """A limit that applies: of this workspace, or of this person over all workspaces."""

    name: str
    scope: Scope
    owner: UUID
    limit: int


# (scope, id | None for the default of all, name) -> limit; None: without one
_Kept = dict[tuple[str, UUID | None, str], int | None]
_kept: tuple[float, _Kept] = (0.0, {})


def limits_of(name: QuotaName, *, workspace_id: UUID | None = None, user_id: UUID | None = None) -> list[Limit]:
    """The limits on this of a workspace and of a person; none where nothing is limited."""
    kept = _limits()
    found: list[Limit] = []
    for scope, owner in _owners(workspace_id, user_id):
        limit = kept[scope, owner, name] if (scope, owner, name) in kept else kept.get((scope, None, name))
        if limit is not None:
            found.append(Limit(name.value, scope, owner, limit))
    return found


def check(
    name: QuotaName,
    *,
    workspace_id: UUID | None = None,
    user_id: UUID | None = None,
    subject: UUID | None = None,
    adding: int = 1,
    made: int = 0,
) -> None:
    """Raise QuotaExceededError if there is no room for `adding` more. Inside the transaction that adds them, before it does.

    Where there is a limit, others who would add wait until this transaction ends, so that no two take the last place.

    user_id   who adds
    subject   the workflow, for VERSIONS_PER_WORKFLOW
    adding    0: there is no room for what there is
    made      so many of what there is this transaction has made, and the error undoes: it says what is used without them
    """
    limits = limits_of(name, workspace_id=workspace_id, user_id=user_id)
    if not limits:
        return
    with connection.cursor() as cursor:
        cursor.execute("select quota_check_v1(%s::jsonb, %s, %s)", [as_json(limits), subject, adding])
        (exceeded,) = cursor.fetchone()
    if exceeded is not None:
        found = orjson.loads(exceeded)
        raise _exceeded({**found, "used": found["used"] - made})


@contextmanager
def refusing(limits: Sequence[Limit]) -> Iterator[None]:
    """Around a statement with `quota_take_v1`: raise QuotaExceededError where it found no room. The caller's transaction stays usable."""
    if not limits:
        yield
        return
    try:
        # A statement by itself undoes itself; within a transaction it needs a savepoint.
        with transaction.atomic() if connection.in_atomic_block else nullcontext():
            yield
    except DatabaseError as error:
        if (refusal := refusal_in(error.__cause__)) is None:
            raise
        raise refusal from error


def refusal_in(error: BaseException | None) -> QuotaExceededError | None:
    """What `quota_take_v1` has refused, where this error of psycopg tells of that."""
    if not isinstance(error, psycopg.Error) or error.sqlstate != EXCEEDED:
        return None
    return _exceeded(orjson.loads(error.diag.message_detail or ""))


def count_owed(name: QuotaName, *, workspace_id: UUID, user_id: UUID | None) -> None:
    """Count one more execution, which the caller's transaction has just made, and never refuse it. Nothing where nothing is limited."""
    if limits := limits_of(name, workspace_id=workspace_id, user_id=user_id):
        with connection.cursor() as cursor:
            cursor.execute("select quota_count_v1(%s::jsonb, 1)", [as_json(limits)])


def as_json(limits: Sequence[Limit]) -> str:
    """Limits as the SQL functions take them: [{"name", "scope", "owner", "limit"}]."""
    return orjson.dumps([asdict(limit) for limit in limits]).decode()


def forget_limits() -> None:
    """Read the limits again at the next check of this process; others do so within KEPT_SECONDS."""
    global _kept  # noqa: PLW0603  # one a process
    _kept = (0.0, {})


def end_of_day() -> datetime:
    """When the counts of a day begin anew: at midnight UTC."""
    return datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)


def _limits() -> _Kept:
    global _kept  # noqa: PLW0603
    until, kept = _kept
    if time.monotonic() < until:
        return kept
    with fence.lifted(), connection.cursor() as cursor:  # all of them, for whoever asks next
        cursor.execute('select scope, coalesce(workspace_id, user_id), name, "limit" from quota')
        kept = {(scope, owner, name): limit for scope, owner, name, limit in cursor.fetchall()}
    _kept = (time.monotonic() + KEPT_SECONDS, kept)
    return kept


def _owners(workspace_id: UUID | None, user_id: UUID | None) -> Iterator[tuple[Scope, UUID]]:
    if workspace_id is not None:
        yield "workspace", workspace_id
    if user_id is not None:
        yield "user", user_id


def _exceeded(found: dict[str, Any]) -> QuotaExceededError:
    name, limit, used = found["name"], found["limit"], found["used"]
    of = "This workspace" if found["scope"] == "workspace" else "You"
    verb = "has" if found["scope"] == "workspace" else "have"
    is_daily = name == QuotaName.EXECUTIONS_PER_DAY
    until = " Counting begins anew at midnight UTC." if is_daily else ""
    return QuotaExceededError(
        f"{of} {verb} {used} of at most {limit} {name.replace('_', ' ')}; there is no room for more.{until}",
        name=name,
        scope=found["scope"],
        limit=limit,
        used=used,
        resets_at=end_of_day().isoformat() if is_daily else None,
    )
