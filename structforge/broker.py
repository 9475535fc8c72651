"""Celery's Redis transport with one client per channel, and turns for queues of lower priority.

The stock channel builds a client object, with its table of some two hundred callbacks, for every command that it sends. A client is
safe to share between threads: each command takes a connection of the pool. And for every connection the client looks its own version up
in the metadata of installed packages; here a process does so once.
"""

from collections.abc import Iterable
from typing import Any

from kombu.transport import redis
from kombu.utils.scheduling import round_robin_cycle
from redis.driver_info import DriverInfo

HIGH = ".high"
# So many messages of high priority in a row, and one of another queue comes first: a fifth of what a worker takes, if there is any.
HIGH_IN_A_ROW = 4
DRIVER = DriverInfo()


class Turns(round_robin_cycle):  # type: ignore[misc]  # kombu has no types
    """In which order a worker looks at its queues: those of high priority first, but not for ever; queues of one priority take turns.

    One command asks for all queues, in this order, and answers with a message of the first that has any. So with high priority always
    first, schedules and webhooks would stand still for as long as people and programs start more than a fleet works off.
    """

    def __init__(self, it: Iterable[str] | None = None) -> None:
        super().__init__(it)
        self._in_a_row = 0

    def consume(self, n: int) -> list[str]:
        """The queues in the order of the next look. It may be asked for several times before a message comes."""
        is_turn_of_others = self._in_a_row >= HIGH_IN_A_ROW
        return sorted(self.items[:n], key=lambda queue: _is_high(queue) == is_turn_of_others)

    def rotate(self, last_used: str) -> str:
        """A message of this queue has come."""
        self._in_a_row = self._in_a_row + 1 if _is_high(last_used) else 0
        return super().rotate(last_used)  # type: ignore[no-any-return]


def _is_high(queue: str) -> bool:
    return queue.endswith(HIGH)


class Channel(redis.Channel):
    # What a worker holds when it loses the broker is not put back: the sweepers point at the row again, and the broker may be gone.
    do_restore = False
    _shared: Any = None

    def _connparams(self, asynchronous: bool = False) -> dict[str, Any]:
        return {**super()._connparams(asynchronous=asynchronous), "driver_info": DRIVER}

    def _create_client(self, asynchronous: bool = False) -> Any:
        if asynchronous:  # such a client has a connection of its own, for as long as it lives
            return super()._create_client(asynchronous=True)
        if self._shared is None or self._shared.connection_pool is not self.pool:
            self._shared = super()._create_client()
        return self._shared


class Transport(redis.Transport):
    """Named by `CELERY_BROKER_TRANSPORT`; any Redis or Valkey server."""

    Channel = Channel
