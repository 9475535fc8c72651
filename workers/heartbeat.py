"""A worker says every few seconds that it lives, and which queues it serves: a node run for a queue that nobody serves can say so."""

import logging
import threading
from typing import Any

from psycopg import errors

from apps.executions.connection import TRANSIENT, fetch
from workers import host

log = logging.getLogger(__name__)

BEAT_SECONDS = 5.0

_BEAT = """
insert into worker (name, queues, pool, concurrency, started_at, seen_at)
values (%(name)s, %(queues)s, %(pool)s, %(concurrency)s, clock_timestamp(), clock_timestamp())
on conflict (name) do update set queues = excluded.queues, seen_at = excluded.seen_at
returning 1 as one
"""
_LEAVE = "delete from worker where name = %(name)s or seen_at < clock_timestamp() - interval '1 hour' returning 1 as one"


class Heartbeat:
    """Of one worker process; its pool children have none.

    queues        Celery queues that it takes messages from
    concurrency   node runs at a time
    """

    def __init__(self, *, queues: list[str], pool: str, concurrency: int) -> None:
        self._worker: dict[str, Any] = {"name": host.label(), "queues": sorted(queues), "pool": pool, "concurrency": concurrency}
        self._lock = threading.Lock()
        self._has_left = False

    def run(self, stop: threading.Event) -> None:
        """Beat until `stop` is set."""
        self.beat()
        while not stop.wait(BEAT_SECONDS):
            self.beat()

    def beat(self) -> None:
        self._say(_BEAT)

    def stop(self) -> None:
        """Take oneself off the list, and those who died long ago."""
        self._has_left = True
        self._say(_LEAVE)

    def _say(self, statement: str) -> None:
        try:
            with self._lock:
                if statement is _LEAVE or not self._has_left:
                    fetch(statement, self._worker)
        except (*TRANSIENT, errors.UndefinedTable) as error:  # before the migration of a new release the table is not there
            log.warning("A worker could not say whether it lives: %s", error)
