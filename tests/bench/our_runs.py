"""The workloads on our side, as a client would drive them. Needs Django to be set up."""

import statistics
import time
from uuid import UUID

from django.db import connection

from apps.executions.actions import Start, start_execution, start_executions
from apps.executions.wait import wait_until_settled
from apps.workflows.models import Workflow
from tests.bench.client import Client, in_parallel
from tests.chaos.processes import wait_until

PATIENCE_SECONDS = 120
HTTP_CONNECTIONS = 4
EXECUTIONS = "/api/v1/executions"

_OPEN = "select count(*) from execution where workflow_id = %s and status not in ('success', 'failed', 'cancelled')"
_NOT_SUCCESSFUL = "select count(*) from execution where workflow_id = %s and status <> 'success'"
_LAST_END = "select extract(epoch from max(finished_at))::float8 from execution where workflow_id = %s"
_FIRST_START = "select extract(epoch from min(started_at))::float8 from node_run where execution_id = %s"


class UnexpectedEndError(RuntimeError):
    """An execution that was to be measured did not succeed."""


def run_seconds(workflow: Workflow) -> float:
    """From the call that starts one execution until its end is known here, by the live messages."""
    begun = time.perf_counter()
    started = start_execution(workflow=workflow)
    if not wait_until_settled(started.execution_id, PATIENCE_SECONDS):
        raise UnexpectedEndError(f"{workflow.name} did not end within {PATIENCE_SECONDS} s")
    taken = time.perf_counter() - begun
    _all_succeeded(workflow)
    return taken


def runs_per_second_in_process(workflow: Workflow, count: int) -> float:
    """Executions started one by one from this process, to the end of the last."""
    begun = time.time()
    for _ in range(count):
        start_execution(workflow=workflow)
    return count / (_last_end(workflow) - begun)


def runs_per_second_in_bulk(workflow: Workflow, count: int) -> float:
    """Executions started by one call, to the end of the last."""
    begun = time.time()
    start_executions(workflow=workflow, starts=[Start() for _ in range(count)])
    return count / (_last_end(workflow) - begun)


def runs_per_second_by_http(client: Client, workflow: Workflow, count: int) -> float:
    """Executions started by one request each over a few kept connections, to the end of the last."""
    begun = time.time()
    in_parallel(count, HTTP_CONNECTIONS, lambda: client.post(EXECUTIONS, {"workflow": str(workflow.id)}))
    return count / (_last_end(workflow) - begun)


def answer_and_start_seconds(client: Client, workflow: Workflow, count: int) -> tuple[float, float]:
    """Medians, one request at a time: until the start is answered, and until its first node has begun."""
    answers, starts = [], []
    for _ in range(count):
        called = time.time()
        begun = time.perf_counter()
        execution = client.post(EXECUTIONS, {"workflow": str(workflow.id)})
        answers.append(time.perf_counter() - begun)
        wait_until_settled(UUID(execution["id"]), PATIENCE_SECONDS)
        starts.append(first_start(execution["id"]) - called)
    return statistics.median(answers), statistics.median(starts)


def synchronous_seconds(client: Client, workflow: Workflow, count: int) -> float:
    """Median of a start that waits for the result."""
    taken = []
    for _ in range(count):
        begun = time.perf_counter()
        execution = client.post(EXECUTIONS, {"workflow": str(workflow.id), "wait": 10}, expect=(200,))
        taken.append(time.perf_counter() - begun)
        if execution["status"] != "success":
            raise UnexpectedEndError(f"{workflow.name} ended as {execution['status']}")
    return statistics.median(taken)


def first_start(execution_id: str) -> float:
    """When its first node began, on the clock that this process shares with the database."""
    return _one(_FIRST_START, execution_id)


def _last_end(workflow: Workflow) -> float:
    """When the last execution ended, on the clock that this process shares with the database."""
    wait_until(lambda: _one(_OPEN, workflow.id) == 0, within_seconds=PATIENCE_SECONDS, what=f"all of {workflow.name} end")
    _all_succeeded(workflow)
    return _one(_LAST_END, workflow.id)


def _all_succeeded(workflow: Workflow) -> None:
    if failed := _one(_NOT_SUCCESSFUL, workflow.id):
        raise UnexpectedEndError(f"{failed:g} executions of {workflow.name} did not succeed")


def _one(statement: str, parameter: object) -> float:
    with connection.cursor() as cursor:
        cursor.execute(statement, [str(parameter)])
        return float(cursor.fetchone()[0])
