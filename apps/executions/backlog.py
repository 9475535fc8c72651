"""How much of what is started at once is sent at once.

A message queue is first come, first served: a hundred thousand messages of one workspace would hold up all others. So a start sends only
what the fleet works off within about a second; the rest waits as rows, and the sweepers send it, of each workspace in turn.
"""

import os
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from math import ceil
from typing import Any

from kombu.exceptions import ChannelError

from apps.executions.handoff import publishing, queue_name, share

# What is sent ahead, in brief node runs, of which sixteen share a message; and of messages with one node run each.
WINDOW_RUNS = 1024
WINDOW_MESSAGES = 200
# While there is no room, more starts need not ask each for itself.
ASK_EVERY_SECONDS = 0.02


class Room:
    """How many more messages each queue takes, as this process knows: it asks the broker once for as many as there was room for."""

    def __init__(self) -> None:
        self._left: dict[str, int] = {}
        self._asked_at: dict[str, float] = {}
        self._lock = threading.Lock()

    def take(self, queue: str, wanted: int, *, most: int) -> int:
        """How many of `wanted` messages may be sent now, where the queue is to hold no more than `most`."""
        with self._lock:
            left = self._left.get(queue, 0)
            now = time.monotonic()
            if left < wanted and now - self._asked_at.get(queue, 0.0) > ASK_EVERY_SECONDS:
                left = most - length_of(queue)
                self._asked_at[queue] = now
            granted = max(0, min(wanted, left))
            self._left[queue] = left - granted
            return granted


def length_of(queue: str) -> int:
    """Messages that wait in a queue; 0 where there is none, or no broker."""
    length = 0
    with publishing() as producer, suppress(ChannelError):
        channel: Any = producer.channel
        length = int(channel.queue_declare(queue, passive=True).message_count)
    return length


def starts_to_send(plan: Mapping[str, Any], priority: str, count: int, *, among: int = 0) -> int:
    """How many of `count` starts are to be sent at once; the others wait for the sweepers.

    plan    `WorkflowVersion.start`
    among   as `handoff.send` has it
    """
    entries = plan["entries"]
    if not entries:
        return count
    per_message = share(max(count, among)) if all(entry["brief"] for entry in entries) else 1
    wanted = ceil(count / per_message) * len(entries)
    most = min(WINDOW_MESSAGES, WINDOW_RUNS // per_message)
    granted = _room.take(queue_name(entries[0]["queue"], priority), wanted, most=most)
    return count if granted == wanted else granted // len(entries) * per_message


def _forget_parent_room() -> None:
    global _room  # noqa: PLW0603  # of this process
    _room = Room()


_room = Room()
os.register_at_fork(after_in_child=_forget_parent_room)
