"""Celery Beat's scheduler: the periodic tasks of django-celery-beat, which stay in the admin, in as many beats as one likes.

Two copies of the original would send every periodic task twice. Here one beat leads, by a lock of PostgreSQL that ends with its
connection, and the others stand by. Schedules of workflows are not its business: `workers.clock` runs beside it, in every beat.
"""

import logging
from typing import Any

import psycopg
from django.db import connections
from django_celery_beat.schedulers import DatabaseScheduler

log = logging.getLogger(__name__)

STANDBY_SECONDS = 1.0
# Beat looks at least every five seconds. One that is frozen, or whose machine is gone, leads no longer than so.
SILENCE_SECONDS = 20
_OPTIONS = f"-c idle_session_timeout={SILENCE_SECONDS}s"
_TAKE = "select pg_try_advisory_lock(hashtext('structforge.beat'))"
_MAKE_IN_TURN = "select pg_advisory_lock(hashtext('structforge.beat.entries'))"


class Lead:
    """The lock, on a connection of its own, since it belongs to the connection."""

    def __init__(self) -> None:
        self._connection: psycopg.Connection[Any] | None = None
        self.is_held = False

    def hold(self) -> bool:
        """Whether this process leads now. A connection that is lost loses the lead; another one may ask for it."""
        try:
            if self._connection is None or self._connection.closed:
                self.is_held = False
                self._connection = _connect()
            row = self._connection.execute("select true" if self.is_held else _TAKE).fetchone()
        except psycopg.Error as error:
            log.warning("Beat cannot ask who leads: %s", error)
            self.drop()
            return False
        self.is_held = bool(row and row[0])
        return self.is_held

    def drop(self) -> None:
        self.is_held = False
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class Scheduler(DatabaseScheduler):  # type: ignore[misc]  # it has no types
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._lead = Lead()
        self._was_leading = False
        super().__init__(*args, **kwargs)

    def tick(self, *args: Any, **kwargs: Any) -> float:
        """Send what is due of the periodic tasks; returns the seconds to sleep."""
        is_leading = self._lead.hold()
        if is_leading and not self._was_leading:
            log.info("This beat sends the periodic tasks.")
            self._read_again()
        self._was_leading = is_leading
        return float(super().tick(*args, **kwargs)) if is_leading else STANDBY_SECONDS

    def install_default_entries(self, data: Any) -> None:
        """Celery's own periodic tasks, each made once: beats that start together would all find it missing."""
        with _connect() as turn:  # of its own: in between, the scheduler closes Django's connection
            turn.execute(_MAKE_IN_TURN)
            super().install_default_entries(data)

    def _read_again(self) -> None:
        """What another beat has sent meanwhile is in the database, and not in what was read before."""
        self._initial_read = True
        self._heap = None
        self._dirty.clear()

    def close(self) -> None:
        super().close()
        self._lead.drop()


def _connect() -> psycopg.Connection[Any]:
    parameters = connections["default"].get_connection_params()
    names = ("host", "port", "user", "password", "dbname", "sslmode")
    known = {name: parameters[name] for name in names if parameters.get(name)}
    return psycopg.connect(**known, autocommit=True, connect_timeout=5, keepalives_idle=10, options=_OPTIONS)
