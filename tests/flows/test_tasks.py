"""A task outlives everything: real processes, stopped and started again on the same folder while its due date passes."""

from pathlib import Path
from typing import Any

import httpx2
import psycopg
import pytest

from tests.flows.installation import Installation
from tests.flows.test_hold import answer, logged_in, wait_for

DUE_SECONDS = 7200


def asking(name: str, action: str) -> dict[str, Any]:
    """start ─▶ ask ─┬─out──────▶ after
    └─timeout──▶ late
    """
    config = {
        "title": "Approve ${input.order_id}",
        "candidate_roles": ["owner"],
        "form": {"approved": "boolean", "comments": "string?"},
        "due_seconds": DUE_SECONDS,
        "escalations": [{"action": action}],
    }
    code = {"type": "code.python", "config": {"code": "return 1"}}
    return {
        "name": f"asks {name}, then {action}",
        "inputs": {"order_id": "string"},
        "nodes": [
            {"key": "start", "type": "trigger.manual"},
            {"key": "ask", "type": "human.task", "config": config},
            {"key": "after", **code},
            {"key": "late", **code},
        ],
        "edges": [
            {"source": "start", "target": "ask"},
            {"source": "ask", "target": "after"},
            {"source": "ask", "port": "timeout", "target": "late"},
        ],
    }


def start(client: httpx2.Client, action: str, order_id: str) -> str:
    workflow = answer(client.post("/workflows", json={"definition": asking(order_id, action), "publish": True}))["id"]
    started: str = answer(client.post("/executions", json={"workflow": workflow, "input": {"order_id": order_id}}))["id"]
    return started


def inbox(client: httpx2.Client) -> dict[str, int]:
    """{title: id} of what awaits the caller."""
    return {task["title"]: task["id"] for task in answer(client.get("/tasks?mine=true"))["results"]}


def complete(client: httpx2.Client, task: int) -> httpx2.Response:
    return client.put(f"/tasks/{task}/complete", json={"variables": {"approved": True, "comments": "审批通过"}})


def port_of(client: httpx2.Client, execution: str) -> tuple[str, str]:
    """Status of the execution, and the port by which the task was left."""
    found = answer(client.get(f"/executions/{execution}"))
    return found["status"], next(run["port"] for run in found["node_runs"] if run["key"] == "ask")


@pytest.mark.timeout(500)
def test_tasks_outlive_a_restart_of_everything_and_what_was_due_meanwhile_happens_once(tmp_path: Path):
    first = Installation(tmp_path)
    try:
        client = logged_in(first)
        slow, late, quick = start(client, "notify", "slow"), start(client, "timeout", "late"), start(client, "notify", "quick")
        wait_for(lambda: len(inbox(client)) == 3)
        before = inbox(client)
        assert complete(client, before["Approve quick"]).status_code == 200
        with psycopg.connect(first.addresses["DATABASE_URL"], autocommit=True) as connection:
            # The clock moves to an instant before the due date: nothing may happen yet.
            move_clock(connection, DUE_SECONDS - 600)
            assert escalated(connection) == 0
            # And on beyond it, with the processes about to stop: whoever sees it first does it.
            move_clock(connection, 600)
        authorization = client.headers["authorization"]
        client.close()
        assert first.interrupt() == 0
    finally:
        first.end()

    second = Installation(tmp_path)
    try:
        second.until("is ready")
        client = httpx2.Client(base_url=f"{second.state['address']}/api/v1", timeout=60, headers={"authorization": authorization})
        wait_for(lambda: port_of(client, quick) == ("success", "out"))
        wait_for(lambda: port_of(client, late) == ("success", "timeout"))
        with psycopg.connect(second.addresses["DATABASE_URL"], autocommit=True) as connection:
            wait_for(lambda: escalated(connection) == 2)
            assert inbox(client) == {"Approve slow": before["Approve slow"]}
            assert complete(client, before["Approve late"]).status_code == 409
            assert complete(client, before["Approve slow"]).status_code == 200
            assert complete(client, before["Approve slow"]).status_code == 409
            wait_for(lambda: port_of(client, slow) == ("success", "out"))
            assert escalated(connection) == 2
            twice = "select count(*) from human_task group by node_run_id having count(*) > 1"
            assert connection.execute(twice).fetchall() == []
        client.close()
    finally:
        second.end()


def move_clock(connection: psycopg.Connection, seconds: int) -> None:
    """Let so much time pass for tasks."""
    connection.execute("update human_task_timer set due_at = due_at - make_interval(secs => %s) where kind = 'escalation'", (seconds,))


def escalated(connection: psycopg.Connection) -> int:
    row = connection.execute("select count(*) from audit_entry where verb = 'task.escalated'").fetchone()
    assert row is not None
    return int(row[0])
