"""The append-only log of effects: one row for each time that a node really did its work. It is the witness, not a part of the engine."""

import os
import random
import time
from typing import Any, LiteralString
from uuid import uuid4

import orjson
import psycopg

from apps.nodes.contract import RunContext

TABLE = """
create table if not exists chaos_effect (
    id bigint generated always as identity primary key,
    invocation uuid not null unique,
    execution_id uuid not null,
    key text not null,
    path text not null,
    is_external boolean not null,
    output jsonb not null,
    pid int not null,
    at timestamptz not null default clock_timestamp()
);
create index if not exists chaos_effect_node on chaos_effect (execution_id, key, path);
create table if not exists chaos_death (
    id bigint generated always as identity primary key,
    execution_id uuid not null,
    kind text not null,
    pid int not null,
    at timestamptz not null default clock_timestamp()
)
"""
_APPEND = """
insert into chaos_effect (invocation, execution_id, key, path, is_external, output, pid) values (%s, %s, %s, %s, %s, %s, %s)
on conflict (invocation) do nothing
"""
_DIE = "insert into chaos_death (execution_id, kind, pid) values (%s, %s, %s)"
PATIENCE_SECONDS = 25
LONGEST_WORK_SECONDS = 0.02

# By pid: a fork must not use its parent's connection.
_connections: dict[int, psycopg.Connection[tuple[Any, ...]]] = {}


def work_and_append(context: RunContext, output: dict[str, Any], *, is_external: bool) -> dict[str, Any]:
    """Work for up to 20 ms, half of it before the row is written, half after it. Returns the output.

    One invocation writes one row, however often it must ask: a database that is away delays the witness, it does not fail the node.
    """
    half = random.uniform(0, LONGEST_WORK_SECONDS) / 2
    time.sleep(half)
    append(context, output, is_external=is_external)
    time.sleep(half)
    return output


def append(context: RunContext, output: dict[str, Any], *, is_external: bool) -> dict[str, Any]:
    """Write the row without any work. Returns the output."""
    _insist(_APPEND, [uuid4(), context.execution_id, context.key, context.path, is_external, orjson.dumps(output).decode(), os.getpid()])
    return output


def note_death(context: RunContext, kind: str) -> None:
    """Write down that this process is about to die of its node."""
    _insist(_DIE, [context.execution_id, kind, os.getpid()])


def _insist(statement: LiteralString, row: list[object]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            _connection().execute(statement, row)
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
