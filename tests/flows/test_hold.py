"""A hold outlives everything: real processes, stopped and started again on the same folder."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import psycopg
import pytest

from tests.flows.installation import Installation

WITHIN_SECONDS = 90.0


def code(key: str) -> dict[str, Any]:
    return {"key": key, "type": "code.python", "config": {"code": "return 1"}}


CHAIN = {
    "name": "chain",
    "nodes": [{"key": "start", "type": "trigger.manual"}, code("a"), code("b"), code("c")],
    "edges": [{"source": source, "target": target} for source, target in (("start", "a"), ("a", "b"), ("b", "c"))],
}


@pytest.mark.timeout(400)
def test_a_held_node_runs_once_after_everything_was_restarted(tmp_path: Path):
    #  start ─▶ a ─▶ b ─▶ c, which is held
    first = Installation(tmp_path)
    try:
        client = logged_in(first)
        workflow = answer(client.post("/workflows", json={"definition": CHAIN, "publish": True}))["id"]
        hold = answer(client.post("/holds", json={"scope": "node", "workflow": workflow, "node": "c", "reason": "restart"}))["id"]
        started = answer(client.post("/executions", json={"workflow": workflow}))["id"]
        path = f"/executions/{started}"
        wait_for(lambda: statuses(client, path).get("c") == "queued")
        wait_for(lambda: is_put_aside(first, started))
        authorization = client.headers["authorization"]
        client.close()
        assert first.interrupt() == 0
    finally:
        first.end()

    second = Installation(tmp_path)
    try:
        second.until("is ready")
        client = httpx2.Client(base_url=f"{second.state['address']}/api/v1", timeout=60, headers={"authorization": authorization})
        assert statuses(client, path)["c"] == "queued"
        assert node(client, path, "c")["hold"]["reason"] == "restart"
        assert client.delete(f"/holds/{hold}").status_code == 204
        wait_for(lambda: client.get(path).json()["status"] == "success")
        assert (node(client, path, "c")["attempt"], node(client, path, "c")["losses"]) == (1, 0)
        events = client.get(f"{path}/events").json()["results"]
        ends = [change["key"] for event in events for change in event["changes"] if change["status"] == "success"]
        assert sorted(ends) == ["$output", "a", "b", "c", "start"]
        client.close()
    finally:
        second.end()


def logged_in(installation: Installation) -> httpx2.Client:
    password = installation.until(r"Login +admin / (\S+)")[1]
    client = httpx2.Client(base_url=f"{installation.state['address']}/api/v1", timeout=60)
    access = answer(client.post("/auth/login", json={"username": "admin", "password": password}))["access"]
    client.headers["authorization"] = f"Bearer {access}"
    return client


def answer(response: httpx2.Response) -> Any:
    assert response.status_code in (200, 201, 202), response.text
    return response.json()


def node(client: httpx2.Client, path: str, key: str) -> dict[str, Any]:
    found: dict[str, Any] = answer(client.get(f"{path}/nodes/{key}"))
    return found


def statuses(client: httpx2.Client, path: str) -> dict[str, str]:
    return {run["key"]: run["status"] for run in answer(client.get(path))["node_runs"]}


def is_put_aside(installation: Installation, execution_id: str) -> bool:
    """Whether a sweeper has put the held node run aside."""
    with psycopg.connect(installation.addresses["DATABASE_URL"]) as connection:
        found = connection.execute("select 1 from node_run where execution_id = %s and held_by_id is not null", [execution_id]).fetchone()
    return found is not None


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WITHIN_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.2)
