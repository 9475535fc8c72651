"""Follow executions until they have ended, from a command."""

import time
from collections.abc import Collection, Iterator, Mapping
from typing import Any
from uuid import UUID

from apps.accounts.models import User
from apps.engine.statuses import SETTLED_EXECUTION
from apps.executions.models import Execution
from apps.executions.queries_live import find_snapshot
from apps.realtime.follow import follow
from apps.realtime.sequence import Sequence

TICK_SECONDS = 1.0  # without news: that often the database is asked, and the caller may look at the clock
INTERNAL = "$"  # begins the keys of node runs that the engine adds


class Picture:
    """What is known of one execution: a snapshot, and what the messages changed since.

    node_runs   {(key, path): node run, as the live messages have it}
    """

    def __init__(self, snapshot: Mapping[str, Any]) -> None:
        self.sequence = Sequence()
        self.node_runs: dict[tuple[str, str], dict[str, Any]] = {}
        self.replace(snapshot)

    @property
    def is_settled(self) -> bool:
        return self.status in SETTLED_EXECUTION

    @property
    def was_picked_up(self) -> bool:
        """Whether any worker has begun."""
        return any(each["status"] != "queued" or each["revision"] > 1 for each in self.node_runs.values()) or self.is_settled

    def replace(self, snapshot: Mapping[str, Any]) -> None:
        self.snapshot, self.status = snapshot, snapshot["status"]
        self.sequence = Sequence()
        self.sequence.start_at(snapshot["sequence"])
        self._update(snapshot["node_runs"])

    def apply(self, message: Mapping[str, Any]) -> None:
        for each in self.sequence.take(message):
            self.status = each["status"] or self.status
            self._update(each["node_runs"])

    def _update(self, node_runs: Collection[Mapping[str, Any]]) -> None:
        for each in node_runs:
            if each["key"].startswith(INTERNAL):
                continue
            known = self.node_runs.setdefault((each["key"], each["path"]), {"revision": 0})
            if each["revision"] >= known["revision"]:
                known.update(each)


def watch(user: User, execution_id: UUID) -> Iterator[Picture]:
    """The picture of an execution, after each change and every `TICK_SECONDS`, up to the last one."""
    picture = Picture(_snapshot(user, execution_id))
    with follow([execution_id]) as inbox:
        while not picture.is_settled:
            yield picture
            notice = inbox.get(TICK_SECONDS)
            if notice is not None:
                picture.apply(notice)
            if notice is None or picture.sequence.has_gap or picture.is_settled:
                picture.replace(_snapshot(user, execution_id))
    yield picture


def watch_many(execution_ids: Collection[UUID]) -> Iterator[set[UUID]]:
    """The executions that are still open, after each change and every `TICK_SECONDS`; the last set is empty."""
    still_open = set(execution_ids)
    looked_at = float("-inf")
    with follow(execution_ids) as inbox:
        while still_open:
            yield still_open
            notice = inbox.get(TICK_SECONDS)
            if notice is not None and notice["status"] in SETTLED_EXECUTION:
                still_open.discard(UUID(notice["execution_id"]))
            elif notice is None and time.monotonic() >= looked_at + TICK_SECONDS:
                looked_at = time.monotonic()
                still_open -= _settled(still_open)
    yield still_open


def _snapshot(user: User, execution_id: UUID) -> Mapping[str, Any]:
    snapshot = find_snapshot(user, str(execution_id))
    if snapshot is None:
        raise LookupError(f"Execution {execution_id} is gone.")
    return snapshot


def _settled(execution_ids: Collection[UUID]) -> set[UUID]:
    return set(Execution.objects.filter(pk__in=execution_ids, status__in=SETTLED_EXECUTION).values_list("pk", flat=True))
