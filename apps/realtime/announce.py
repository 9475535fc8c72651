"""Tell whoever watches an execution what a commit changed.

One daemon thread per process sends, in one round trip, what came within some 30 ms; that an execution has ended it sends at once.
A message may be lost (Redis away, process killed, too many at once): PostgreSQL is the truth, and watchers look there when a number
is missing.
"""

import atexit
import contextlib
import logging
import os
import threading
from collections.abc import Iterable, Mapping
from queue import Empty, SimpleQueue
from typing import Any

from channels.layers import get_channel_layer
from django.conf import settings
from redis import Redis
from redis.exceptions import RedisError

from apps.engine.statuses import SETTLED_EXECUTION
from apps.realtime.groups import execution_group, inbox_group, redis_channel

logger = logging.getLogger(__name__)

MAX_WAITING = 10_000  # messages; more than that means that Redis is away, and old news is worth nothing
MAX_BATCH = 200  # messages in one round trip
LINGER_SECONDS = 0.03  # nobody sees the difference, and a chain of quick nodes costs a tenth of the round trips
EXIT_SECONDS = 1.0

Message = tuple[str, Mapping[str, Any]]  # group, body
Frame = tuple[str, bytes]  # Redis channel, payload


def announce(execution_id: str, message: Mapping[str, Any]) -> None:
    """Send `message` to those who watch this execution. Returns at once, from any thread, and never raises.

    {"type": "execution.changed", "execution_id": str, "sequence": int | null, "status": str | null, "at": iso,
     "node_runs": [{"key", "path", "status", "revision", "attempt", "port", "worker",
                    "queued_at", "started_at", "finished_at", "wake_at", "error"}]}

    sequence   number of the event in the history; null for a hint outside it, such as a claim
    node_runs  those that changed; one counts where its `revision` is greater than the one known
    """
    _sender.put((execution_group(execution_id), message))


def announce_inboxes(keys: Iterable[str]) -> None:
    """Say to those who watch inboxes of these people, teams and roles that something in them may have changed. As `announce` otherwise."""
    for key in set(keys):
        _sender.put((inbox_group(key), {"type": "inbox.hint"}))


def dropped() -> int:
    """Messages of this process that were not sent."""
    return _sender.dropped


def flush(seconds: float = EXIT_SECONDS) -> bool:
    """Wait until all that was announced so far is sent or dropped; False when `seconds` pass first."""
    return _sender.flush(seconds)


class _Sender:
    """A queue and the thread that empties it, started by the first message."""

    def __init__(self) -> None:
        self.dropped = 0
        self._is_failing = False
        self._hurry = threading.Event()
        self._queue: SimpleQueue[Message | threading.Event] = SimpleQueue()
        self._start_lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def put(self, message: Message) -> None:
        if self._queue.qsize() >= MAX_WAITING:
            self.dropped += 1
            return
        self._queue.put(message)
        if _is_urgent(message):
            self._hurry.set()
        self._ensure_started()

    def flush(self, seconds: float) -> bool:
        if self._thread is None:
            return True
        sent = threading.Event()
        self._queue.put(sent)
        self._hurry.set()
        return sent.wait(seconds)

    def _ensure_started(self) -> None:
        if self._thread is not None:
            return
        with self._start_lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="announce", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        redis = Redis.from_url(settings.LIVE_REDIS_URL, socket_connect_timeout=1, socket_timeout=2)
        while True:
            batch = self._next_batch()
            self._send(redis, [item for item in batch if not isinstance(item, threading.Event)])
            for item in batch:
                if isinstance(item, threading.Event):
                    item.set()

    def _send(self, redis: Redis, messages: list[Message]) -> None:
        frames = [frame for message in messages if (frame := self._frame(message)) is not None]
        try:
            _publish(redis, frames)
        except (RedisError, OSError) as error:
            self._drop(len(frames), f"Redis does not take live messages: {error}")
        else:
            self._is_failing = False

    def _frame(self, message: Message) -> Frame | None:
        group, body = message
        try:
            return redis_channel(group), get_channel_layer().serialize(dict(body))
        except (TypeError, ValueError, OverflowError) as error:
            self._drop(1, f"a live message of {group} cannot be written: {error}")
            return None

    def _next_batch(self) -> list[Message | threading.Event]:
        batch = [self._queue.get()]
        # One sleep, not one for each message: each would take the interpreter away from the thread that performs nodes.
        self._hurry.wait(LINGER_SECONDS)
        self._hurry.clear()
        with contextlib.suppress(Empty):
            while len(batch) < MAX_BATCH:
                batch.append(self._queue.get_nowait())
        return batch

    def _drop(self, count: int, reason: str) -> None:
        """Count, and say so once for each time that it begins."""
        self.dropped += count
        if not self._is_failing:
            logger.warning("Dropping live messages: %s", reason)
        self._is_failing = True


def _is_urgent(message: Message) -> bool:
    """Somebody may be waiting for the end of an execution."""
    return message[1].get("status") in SETTLED_EXECUTION


def _publish(redis: Redis, frames: list[Frame]) -> None:
    with redis.pipeline(transaction=False) as pipeline:
        for channel, payload in frames:
            pipeline.publish(channel, payload)
        pipeline.execute()


def _start_anew() -> None:
    """A forked child has neither the thread nor a queue whose locks can be trusted."""
    global _sender  # noqa: PLW0603  # the one sender of this process
    _sender = _Sender()


_sender = _Sender()
os.register_at_fork(after_in_child=_start_anew)
atexit.register(flush)
