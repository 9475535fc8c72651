"""How many calls a minute a webhook takes, and how many failed proofs, counted in Redis for all web processes together.

A process fetches a hundredth of the limit at a time, so that a busy webhook asks Redis a hundred times a minute and not for each call; a
limit below 200 is counted exactly. While Redis is away each process counts for itself.
"""

import logging
import math
import os
import threading
import time
from functools import cache

from django.conf import settings
from redis import Redis
from redis.exceptions import RedisError

log = logging.getLogger(__name__)

MINUTE = 60
SHARES = 100
MAX_KEPT = 10_000  # webhooks whose shares a process remembers
AWAY_SECONDS = 5.0  # Redis that did not answer is not asked again for so long


class Rates:
    """The shares of this process: {webhook: (minute, calls left of the share)}; -1 left: the minute is used up."""

    def __init__(self) -> None:
        self._shares: dict[str, tuple[int, int]] = {}
        self._lock = threading.Lock()
        self._away_until = 0.0

    def take(self, key: str, limit: int, *, now: float) -> int:
        """Take one call; 0, or the seconds to wait.

        limit   calls a minute
        now     seconds since 1970
        """
        minute = int(now) // MINUTE
        with self._lock:
            known, left = self._shares.get(key, (minute, 0))
            if known != minute:
                left = 0
            if left == 0:
                left = self._fetch(key, limit, minute)
            if len(self._shares) > MAX_KEPT:
                self._shares.clear()
            self._shares[key] = (minute, left - 1 if left > 0 else -1)
        return 0 if left > 0 else _seconds_left(minute, now)

    def seconds_barred(self, key: str, *, now: float) -> int:
        """0, or the seconds to wait, as far as this process knows; it asks nobody."""
        minute = int(now) // MINUTE
        return _seconds_left(minute, now) if self._shares.get(key) == (minute, -1) else 0

    def _fetch(self, key: str, limit: int, minute: int) -> int:
        """A share, as far as there is one; -1 where there is none."""
        share = max(1, limit // SHARES)
        if time.monotonic() < self._away_until:
            return limit if key not in self._shares or self._shares[key][0] != minute else -1
        name = f"hooks:{key}:{minute}"
        try:
            with _redis(os.getpid()).pipeline(transaction=False) as pipeline:
                pipeline.incrby(name, share)
                pipeline.expire(name, 2 * MINUTE)
                taken, _ = pipeline.execute()
        except (RedisError, OSError) as error:
            log.warning("Calls of webhooks are counted by each process for itself, since Redis does not answer: %s", error)
            self._away_until = time.monotonic() + AWAY_SECONDS
            return limit
        granted = min(share, limit - (taken - share))
        return granted if granted > 0 else -1


def _seconds_left(minute: int, now: float) -> int:
    return max(1, math.ceil((minute + 1) * MINUTE - now))


@cache
def _redis(pid: int) -> "Redis":
    """Of this process: after a fork the parent's sockets are not ours."""
    return Redis.from_url(settings.LIVE_REDIS_URL, socket_timeout=0.5, socket_connect_timeout=0.5)


_rates = Rates()
take = _rates.take
# Apart, since anybody can fill it: that must not make busy webhooks ask Redis anew.
_failures = Rates()


def count_failure(key: str, limit: int, *, now: float) -> None:
    """Count a failed proof. From the last that `limit` allows on, `seconds_barred` knows of it in this process.

    Another process learns it at its own next failure.
    """
    _failures.take(key, limit - 1, now=now)


def seconds_barred(key: str, *, now: float) -> int:
    """0, or how long nothing of this key is to be looked at. It asks nobody, so that who never fails pays nothing."""
    return _failures.seconds_barred(key, now=now)


def forget() -> None:
    """Ask Redis anew; for tests."""
    _rates._shares.clear()
    _failures._shares.clear()
