"""The engine's own connections to PostgreSQL: kept, autocommitting, one short statement at a time.

Django's connection serves requests and the admin. The hot path has its own pool, because Celery closes Django's connections around tasks,
and because a node must hold none while it waits for the network.
"""

import logging
import os
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

import orjson
import psycopg
from django.db import connections
from psycopg import errors
from psycopg.types.json import set_json_dumps, set_json_loads
from psycopg_pool import ConnectionPool, PoolTimeout

log = logging.getLogger(__name__)

T = TypeVar("T")
Engine = psycopg.Connection[dict[str, Any]]

MAX_CONNECTIONS = int(os.environ.get("ENGINE_MAX_CONNECTIONS", "8"))
FIRST_CONNECTION_SECONDS = 2.0
# Every statement of the engine finds its rows by key or by a partial index. On young tables the planner, for want of statistics, would
# rather read them whole, and would keep to that plan in the prepared statement. On large ones it would believe that a plan for each claim
# is cheaper than the one that it has, and planning takes four times as long as claiming.
SESSION_OPTIONS = " ".join(
    f"-c {name}={value}"
    for name, value in {
        "statement_timeout": "10s",
        "lock_timeout": "5s",
        "idle_in_transaction_session_timeout": "30s",
        "enable_seqscan": "off",
        "enable_hashjoin": "off",
        "enable_mergejoin": "off",
        "jit": "off",
        "plan_cache_mode": "force_generic_plan",
        "timezone": "UTC",
    }.items()
)
TRANSIENT = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    errors.DeadlockDetected,
    errors.SerializationFailure,
    errors.QueryCanceled,
    PoolTimeout,
)

_lock = threading.Lock()
_pool: ConnectionPool[Engine] | None = None


def _configure(connection: Engine) -> None:
    connection.prepare_threshold = 0  # from the first time on: a process soon uses each of its few statements again
    connection.prepared_max = 200


def pool() -> ConnectionPool[Engine]:
    """The pool of this process, opened at first use, and so never before a fork."""
    global _pool  # noqa: PLW0603  # one pool a process
    if _pool is None:
        with _lock:
            if _pool is None:
                _pool = _open_pool()
    return _pool


def _open_pool() -> ConnectionPool[Engine]:
    parameters = connections["default"].get_connection_params()
    conninfo = {name: parameters[name] for name in ("host", "port", "user", "password", "dbname", "sslmode") if parameters.get(name)}
    opened: ConnectionPool[Engine] = ConnectionPool(
        kwargs={**conninfo, "autocommit": True, "row_factory": psycopg.rows.dict_row, "options": SESSION_OPTIONS, "connect_timeout": 5},
        min_size=1,
        max_size=MAX_CONNECTIONS,
        num_workers=1,  # threads that open connections
        timeout=10,
        configure=_configure,
        open=True,
        name="engine",
    )
    # Asked before its first connection is there, the pool would open a second one, and would use them in turn for ever.
    # It asks ever more seldom while PostgreSQL is away; so it is given up soon, and whoever asks again opens another.
    opened.wait(FIRST_CONNECTION_SECONDS)
    return opened


def close_pool() -> None:
    """Close the connections of this process; the next use opens new ones."""
    global _pool  # noqa: PLW0603
    if _pool is not None:
        _pool.close(timeout=2)
        _pool = None


def _forget_parent_pool() -> None:
    """After a fork: the parent's sockets are not ours to use or to close."""
    global _pool, _lock
    _pool, _lock = None, threading.Lock()


os.register_at_fork(after_in_child=_forget_parent_pool)
set_json_loads(orjson.loads)
set_json_dumps(orjson.dumps)


def fetch(statement: str, parameters: dict[str, Any]) -> list[dict[str, Any]]:
    """Run one statement in a transaction of its own."""
    with pool().connection() as connection:
        return connection.execute(statement.encode(), parameters, binary=False).fetchall()


def fetch_repeating(
    statement: str, parameters: dict[str, Any], *, give_up_after_seconds: float = 25.0, run: Callable[..., list[dict[str, Any]]] = fetch
) -> list[dict[str, Any]]:
    """Run a statement that is fenced or idempotent until PostgreSQL answers.

    A lost connection leaves open whether the commit happened; such a statement is simply said again.
    Raises the last error after `give_up_after_seconds`: by then another worker may hold the lease.
    """
    end = time.monotonic() + give_up_after_seconds
    pause = 0.05
    while True:
        try:
            return run(statement, parameters)
        except TRANSIENT as error:
            if time.monotonic() + pause > end:
                raise
            log.warning("PostgreSQL did not answer (%s); asking again in %.2f s", type(error).__name__, pause)
            time.sleep(pause)
            pause = min(pause * 2, 2.0)
