"""The append-only log of effects: one row for each time that a node really did its work. It is the witness, not a part of the engine."""

import os
import random
import time
from typing import Any
from uuid import uuid4

import psycopg

TABLE = """
create table if not exists chaos_effect (
    id bigint generated always as identity primary key,
    invocation uuid not null unique,
    execution_id uuid not null,
    key text not null,
    is_external boolean not null,
    pid int not null,
    at timestamptz not null default clock_timestamp()
);
create index if not exists chaos_effect_node on chaos_effect (execution_id, key)
"""
_APPEND = """
insert into chaos_effect (invocation, execution_id, key, is_external, pid) values (%s, %s, %s, %s, %s) on conflict (invocation) do nothing
"""
PATIENCE_SECONDS = 25
LONGEST_WORK_SECONDS = 0.02

# By pid: a fork must not use its parent's connection.
_connections: dict[int, psycopg.Connection[tuple[Any, ...]]] = {}


def work_and_append(execution_id: str, key: str, *, is_external: bool) -> None:
    """Work for up to 20 ms, half of it before the row is written, half after it.

    One invocation writes one row, however often it must ask: a database that is away delays the witness, it does not fail the node.
    """
    half = random.uniform(0, LONGEST_WORK_SECONDS) / 2
    time.sleep(half)
    _append([uuid4(), execution_id, key, is_external, os.getpid()])
    time.sleep(half)


def _append(row: list[object]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            _connection().execute(_APPEND, row)
        except psycopg.OperationalError:
            _connections.pop(os.getpid(), None)
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return


def _connection() -> "psycopg.Connection[tuple[Any, ...]]":
    pid = os.getpid()
    if pid not in _connections:
        _connections[pid] = psycopg.connect(os.environ["DATABASE_URL"], autocommit=True, connect_timeout=3)
    return _connections[pid]
