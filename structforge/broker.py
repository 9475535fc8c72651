"""Celery's Redis transport with one client per channel.

The stock channel builds a client object, with its table of some two hundred callbacks, for every command that it sends. A client is
safe to share between threads: each command takes a connection of the pool.
"""

from typing import Any

from kombu.transport import redis


class Channel(redis.Channel):
    # What a worker holds when it loses the broker is not put back: the sweepers point at the row again, and the broker may be gone.
    do_restore = False
    _shared: Any = None

    def _create_client(self, asynchronous: bool = False) -> Any:
        if asynchronous:  # such a client has a connection of its own, for as long as it lives
            return super()._create_client(asynchronous=True)
        if self._shared is None or self._shared.connection_pool is not self.pool:
            self._shared = super()._create_client()
        return self._shared


class Transport(redis.Transport):
    """Named by `CELERY_BROKER_TRANSPORT`; any Redis or Valkey server."""

    Channel = Channel
