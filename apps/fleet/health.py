"""Whether the parts of the installation answer."""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache

from celery import current_app
from django.conf import settings
from django.db import Error as DatabaseError
from django.db import connection
from kombu.exceptions import OperationalError as BrokerError
from redis import Redis
from redis.exceptions import RedisError

from apps.fleet.fleets import FLEETS
from apps.fleet.queries import unserved_queues

OK = "ok"
DOWN = "down"
# Everybody may ask, and asking the workers takes the time of all of them: that long one answer serves all who ask.
KEPT_SECONDS = 2.0
WORKERS_ANSWER_WITHIN_SECONDS = 1.0
REDIS_ANSWERS_WITHIN_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Health:
    """parts      {name: "ok", "down", or what is missing}
    warnings   {name: what somebody should look at, though every part works}
    """

    parts: Mapping[str, str]
    warnings: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_ok(self) -> bool:
        return all(state == OK for state in self.parts.values())


def _database() -> str:
    try:
        with connection.cursor() as cursor:
            cursor.execute("select 1")
    except DatabaseError:
        return DOWN
    return OK


def _live() -> str:
    try:
        _redis().ping()
    except RedisError:
        return DOWN
    return OK


@cache
def _redis() -> Redis:
    seconds = REDIS_ANSWERS_WITHIN_SECONDS
    return Redis.from_url(settings.LIVE_REDIS_URL, socket_timeout=seconds, socket_connect_timeout=seconds)


def _broker() -> str:
    try:
        with current_app.connection_for_write(connect_timeout=1) as broker:
            broker.ensure_connection(max_retries=1, timeout=1)
    except (BrokerError, RedisError, OSError):
        return DOWN
    return OK


def _workers() -> str:
    """Whether a worker of each fleet answers."""
    try:
        replies = current_app.control.ping(timeout=WORKERS_ANSWER_WITHIN_SECONDS, limit=len(FLEETS))
    except (BrokerError, RedisError, OSError):
        return DOWN
    answered = {name.partition("@")[0] for reply in replies or [] for name in reply}
    missing = [fleet.name for fleet in FLEETS if fleet.name not in answered]
    return f"no answer of {', '.join(missing)}" if missing else OK


def _queues() -> str:
    """How many queues have node runs that wait, and no worker. Workflows name queues as they like, so the names are not for everybody."""
    try:
        count = len(unserved_queues())
    except DatabaseError:
        return OK  # the database has a part of its own
    return OK if count == 0 else f"{count} {'queue has' if count == 1 else 'queues have'} node runs and no worker"


class KeptHealth:
    """The answer of a check, kept for a while; of many who ask at once, one asks and the others wait."""

    def __init__(self, checks: Mapping[str, Callable[[], str]], looks: Mapping[str, Callable[[], str]] | None = None) -> None:
        self._checks, self._looks = checks, looks or {}
        self._lock = threading.Lock()
        self._health = Health({})
        self._checked_at = float("-inf")

    def get(self) -> Health:
        with self._lock:
            if time.monotonic() - self._checked_at > KEPT_SECONDS:
                warnings = {name: said for name, look in self._looks.items() if (said := look()) != OK}
                self._health = Health({name: check() for name, check in self._checks.items()}, warnings)
                self._checked_at = time.monotonic()
            return self._health


# What this process itself needs to serve; and everything.
readiness = KeptHealth({"database": _database, "broker": _broker})
health = KeptHealth({"database": _database, "broker": _broker, "live": _live, "workers": _workers}, {"queues": _queues})
