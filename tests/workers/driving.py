"""Runs executions to their end in this process, with the real runner and the real PostgreSQL, and no worker in between."""

from typing import Any
from uuid import UUID

from redis import Redis

from apps.executions.connection import fetch
from apps.executions.models import Execution, NodeRun
from workers import runner
from workers.sweepers import Sweeper


def drive(execution_id: UUID, *, rounds: int = 200) -> Execution:
    """Run whatever is queued, wake whatever is due, until nothing moves any more."""
    for _ in range(rounds):
        if not step(execution_id):
            break
    return Execution.objects.get(id=execution_id)


def step(execution_id: UUID) -> int:
    """Run what is queued now; where nothing is, wake what waits for time. Returns how many node runs that were."""
    rows = queued(execution_id)
    for row in rows:
        runner.run(execution_id, [row["key"]], row["path"], row["version_id"], hand_over=lambda ready: True)
    return len(rows) or wake_now(execution_id)


def run_queued(execution_id: UUID) -> None:
    """Run whatever is queued until nothing is. Timers stay as they are: what waits goes on waiting."""
    while queued(execution_id):
        step(execution_id)


def queued(execution_id: UUID) -> list[dict[str, Any]]:
    statement = (
        "select n.key, n.path, e.version_id from node_run n join execution e on e.id = n.execution_id "
        "where n.execution_id = %(execution)s and n.status = 'queued' order by n.id"
    )
    return fetch(statement, {"execution": execution_id})


def wake_now(execution_id: UUID) -> int:
    """Let the timers of this execution go off, and have the sweeper see it."""
    due = "update node_run set wake_at = clock_timestamp() where execution_id = %(execution)s and wake_at is not null returning key"
    fetch(due, {"execution": execution_id})
    return fetch("select count(*) as moved from sweep_wake_v1(500, interval '15 s')", {})[0]["moved"]


def sweeper(redis: "Redis[bytes]") -> Sweeper:
    return Sweeper(redis=redis)


def statuses(execution_id: UUID) -> dict[str, str]:
    """{node key: status} of all node runs of an execution."""
    return dict(NodeRun.objects.filter(execution_id=execution_id).order_by("id").values_list("key", "status"))
