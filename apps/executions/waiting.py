"""Why an execution that is pending has not begun, and how many stand in line before it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db import connection

from apps.executions.models import Execution

# So far a place in line is counted, of one execution and of each in a list; beyond it nobody cares for the very number.
MAX_COUNTED = 10_000
MAX_COUNTED_IN_LISTS = 1000

_WAITING = "select execution_id, scope, allowed, ahead, key from waiting_v1(%s::uuid[], %s)"
_SCOPES = {
    "workflow": "the workflow allows {allowed} at once",
    "key": "the workflow allows {allowed} at once for '{key}'",
    "user": "whoever started it may have {allowed} at once in this workspace",
    "workspace": "the workspace allows {allowed} at once",
    "installation": "the installation allows {allowed} at once",
}


@dataclass(frozen=True, slots=True)
class Waiting:
    """What a pending execution waits for.

    scope     the narrowest limit that is full: workflow, key, user, workspace, installation; None: none is, and it is about to start
    allowed   executions at a time of that limit
    position  its place in line, from 1, among those that wait for the same; `counted` + 1 for all further ones
    """

    scope: str | None
    allowed: int | None
    position: int
    key: str | None
    counted: int

    @property
    def reason(self) -> str:
        """As a sentence: `3rd in line: the workflow allows 2 at once`."""
        if self.scope is None:
            return "about to start"
        place = _ordinal(self.position) if self.position <= self.counted else f"beyond the {_ordinal(self.counted)}"
        return f"{place} in line: {_SCOPES[self.scope].format(allowed=self.allowed, key=self.key)}"


def waiting_of(executions: Iterable[Execution]) -> Mapping[UUID, Waiting]:
    """{execution id: what it waits for} of those that are pending: one query, and none where none is."""
    pending = [execution.pk for execution in executions if execution.status == "pending"]
    if not pending:
        return {}
    counted = MAX_COUNTED if len(pending) == 1 else MAX_COUNTED_IN_LISTS
    with connection.cursor() as cursor:
        cursor.execute(_WAITING, [pending, counted])
        return {row[0]: Waiting(row[1], row[2], row[3] + 1, row[4], counted) for row in cursor.fetchall()}


def with_waiting(executions: Sequence[Execution]) -> None:
    """Set `waiting` of each: what it waits for, None unless it is pending."""
    found = waiting_of(executions)
    for execution in executions:
        execution.waiting = found.get(execution.pk)  # type: ignore[attr-defined]  # for those who show it


def _ordinal(number: int) -> str:
    """1st, 2nd, 3rd, 4th, 11th, 112th."""
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"
