"""Whether Redis still is the Redis that the queued messages were sent to."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import uuid4

from redis import Redis

from apps.executions.connection import fetch
from apps.executions.protocol import DUE_SECONDS

KEY = "structforge:epoch"
BATCH = 500

_STORED = "select value from engine_state where name = 'epoch'"
_STORE = """
insert into engine_state (name, value) values ('epoch', %(value)s)
on conflict (name) do update set value = excluded.value where engine_state.value is not distinct from %(seen)s
returning value
"""
_QUEUED = """
with queued as materialized (
    select n.id, e.priority, e.version_id from node_run n join execution e on e.id = n.execution_id
     where n.status = 'queued' and n.sends >= 0 and n.queued_at <= %(until)s and n.id > %(after)s
       and n.held_by_id is null and e.status = 'running'
     order by n.id limit %(limit)s
)
update node_run n set due_at = clock_timestamp() + make_interval(secs => %(due)s) from queued q where n.id = q.id and n.status = 'queued'
returning n.id, n.execution_id, n.key, n.path, n.queue, q.priority, q.version_id
"""


class Epoch:
    """A random value that stands both in Redis and in PostgreSQL. Where they differ, or Redis has none, its messages are gone."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._after = 0
        self._until: Any = None

    def has_changed(self) -> bool:
        """Whether Redis lost its memory; a new epoch is then set, and `next_batch` begins anew."""
        in_redis: Any = self._redis.get(KEY)
        rows = fetch(_STORED, {})
        stored = rows[0]["value"] if rows else None
        if in_redis is not None and in_redis.decode() == stored:
            return False
        fresh = str(uuid4())
        if not fetch(_STORE, {"value": fresh, "seen": stored}):
            return False  # another sweeper has seen it too, and sends
        # Before anything is sent again: a second loss while sending must show.
        self._redis.set(KEY, fresh)
        # What is queued from now on is sent to the new Redis anyway.
        self._after, self._until = 0, fetch("select clock_timestamp() as now", {})[0]["now"]
        return True

    def next_batch(self) -> Sequence[Mapping[str, Any]]:
        """The next node runs that are queued; empty at the end."""
        rows = fetch(_QUEUED, {"after": self._after, "until": self._until, "limit": BATCH, "due": DUE_SECONDS})
        if rows:
            self._after = max(row["id"] for row in rows)
        return rows
