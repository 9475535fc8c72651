"""Sending what waits for its first message, as the queues empty: of each workspace in turn."""

from collections import defaultdict
from collections.abc import Callable
from typing import Any
from uuid import UUID

from apps.executions.backlog import WINDOW_RUNS
from apps.executions.connection import fetch
from apps.executions.handoff import MAX_SHARING, queue_name, send
from apps.executions.protocol import DUE_SECONDS, Ready

MOST_AHEAD = 16 * WINDOW_RUNS

_QUEUES = "select queue, sends from unsent_queues_v1()"
_FEED = "select * from feed_v1(%(queue)s, %(sends)s, %(budget)s, make_interval(secs => %(due)s))"


class Feeder:
    """Keeps each queue filled, and no more than that.

    length   messages that wait in a Celery queue
    """

    def __init__(self, length: Callable[[str], int]) -> None:
        self._length = length
        self._ahead: dict[str, int] = {}

    def feed(self) -> int:
        """Send what there is room for; returns how many node runs that were."""
        return sum(self._fill(row["queue"], row["sends"]) for row in fetch(_QUEUES, {}))

    def _fill(self, queue: str, sends: int) -> int:
        name = queue_name(queue, "high" if sends == -2 else "normal")
        waiting = self._length(name) * MAX_SHARING
        budget = self._window(name, waiting) - waiting
        if budget <= 0:
            return 0
        rows = fetch(_FEED, {"queue": queue, "sends": sends, "budget": budget, "due": DUE_SECONDS})
        by_workspace: dict[UUID, list[Ready]] = defaultdict(list)
        for row in rows:
            by_workspace[row["workspace_id"]].append(_ready(row))
        # Those who have little to send go first: the others hardly notice.
        for ready in sorted(by_workspace.values(), key=len):
            send(ready)
        return len(rows)

    def _window(self, name: str, waiting: int) -> int:
        """Node runs to be sent ahead: twice as many where the workers had nothing left to do since the last time, half where they lag."""
        ahead = self._ahead.get(name, WINDOW_RUNS)
        if name in self._ahead and waiting == 0:
            ahead = min(2 * ahead, MOST_AHEAD)
        elif waiting > ahead // 2:
            ahead = max(ahead // 2, WINDOW_RUNS)
        self._ahead[name] = ahead
        return ahead


def _ready(row: dict[str, Any]) -> Ready:
    return Ready(row["execution_id"], row["version_id"], row["key"], row["path"], row["queue"], row["priority"], row["brief"])
