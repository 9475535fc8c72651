"""The asynchronous API from outside: real web process, real workers, a real clock; a receiver that comes late."""

import json
import os
import re
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import psycopg
import pytest
from pytest_httpserver import HTTPServer

from apps.fleet.embedded.ports import free_port
from tests.flows.installation import ROOT, Installation
from tests.processes import wait_for
from tests.realtime.web import EventSource

pytestmark = pytest.mark.timeout(500)

WITHIN_SECONDS = 150.0
STEP = {"type": "code.python", "config": {"code": "return 1"}}
DEFINITION = {
    "name": "order",
    "inputs": {"amount": "number"},
    "nodes": [{"key": "start", "type": "trigger.manual"}, *({"key": key, **STEP} for key in "abcd")],
    "edges": [{"source": source, "target": target} for source, target in (("start", "a"), ("start", "b"), ("a", "c"), ("b", "d"))],
    "output": {"is_large": "${amount > 1000}"},
}


@pytest.fixture(scope="module")
def port() -> int:
    """Where nobody listens yet."""
    return free_port()


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory, port: int) -> Iterator[Installation]:
    installation = Installation(tmp_path_factory.mktemp("asynchronous"), EGRESS_ALLOWED=f"127.0.0.1:{port}")
    try:
        yield installation
    finally:
        installation.end()


@pytest.fixture(scope="module")
def client(installation: Installation) -> Iterator[httpx2.Client]:
    password = installation.until(r"Login +admin / (\S+)")[1]
    with httpx2.Client(base_url=f"{installation.state['address']}/api/v1", timeout=WITHIN_SECONDS, trust_env=False) as client:
        answer = client.post("/auth/login", json={"username": "admin", "password": password})
        client.headers["authorization"] = f"Bearer {answer.json()['access']}"
        yield client


@pytest.fixture(scope="module")
def workflow(client: httpx2.Client) -> str:
    made = client.post("/workflows", json={"definition": DEFINITION, "publish": True})
    assert made.status_code == 201, made.text
    return str(made.json()["id"])


def start(client: httpx2.Client, workflow: str, **more: Any) -> str:
    answer = client.post("/executions", json={"workflow": workflow, "input": {"amount": 1500}, **more})
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


def test_who_waits_is_answered_by_real_workers(client, workflow):
    answer = client.post("/executions", json={"workflow": workflow, "input": {"amount": 1500}}, headers={"Prefer": "wait=60"})
    assert (answer.status_code, answer.json()["output"]) == (200, {"is_large": True}), answer.text


def test_many_streams_that_are_cut_again_and_again_have_every_event_once(client, workflow):
    executions = [start(client, workflow) for _ in range(4)]
    with ThreadPoolExecutor(16) as pool:
        seen = list(pool.map(lambda number: (number % 4, follow_with_cuts(client, executions[number % 4], 1 + number % 3)), range(16)))
    for index, numbers in seen:
        history = client.get(f"/executions/{executions[index]}/events").json()["results"]
        assert numbers == [event["sequence"] for event in history]
        assert history[-1]["status"] == "success"


def follow_with_cuts(client: httpx2.Client, execution_id: str, every: int) -> list[int]:
    """What a client gets that loses its connection after every so many events, and comes back as an EventSource does."""
    token = client.headers["authorization"].removeprefix("Bearer ")
    seen: list[int] = []
    while True:
        with EventSource(str(client.base_url), token, execution_id, after=str(seen[-1]) if seen else None) as source:
            if source.response.status_code == 204:
                return seen
            assert source.response.status_code == 200
            for event, _ in zip(source.events(), range(every), strict=False):
                seen.append(int(event.id or 0))


def test_a_receiver_that_comes_late_is_told_once_by_real_workers(client, installation, workflow, port):
    execution_id = start(client, workflow, callback_url=f"http://127.0.0.1:{port}/late")
    wait_for(lambda: delivery(client, execution_id).get("attempts", 0) >= 1, within_seconds=WITHIN_SECONDS)
    receiver = HTTPServer("127.0.0.1", port)
    receiver.expect_request("/late", method="POST").respond_with_data("")  # before it listens: the next try may be due
    with receiver:
        while delivery(client, execution_id)["state"] != "delivered":
            move_clock(installation, seconds=300)
            wait_for(lambda: is_delivered_or_failed_again(client, execution_id), within_seconds=WITHIN_SECONDS)
        calls = [request for request, _ in receiver.log if request.path == "/late"]  # others of this installation may be due as well
        told = [json.loads(request.get_data()) for request in calls]
        ids = {request.headers["webhook-id"] for request in calls}
    assert ids == {delivery(client, execution_id)["id"]}
    assert [(each["type"], each["data"]["output"]) for each in told] == [("execution.success", {"is_large": True})]


def delivery(client: httpx2.Client, execution_id: str) -> dict[str, Any]:
    """The one of an execution; empty before there is one."""
    found = client.get("/notifications", params={"execution": execution_id}).json()["results"]
    return found[0] if found else {}


def is_delivered_or_failed_again(client: httpx2.Client, execution_id: str) -> bool:
    found = delivery(client, execution_id)
    return found["state"] == "delivered" or found["attempts"] >= 2


def move_clock(installation: Installation, *, seconds: float) -> None:
    with psycopg.connect(installation.addresses["DATABASE_URL"]) as connection:
        statement = "update notification_delivery set next_try_at = next_try_at - make_interval(secs => %s) where state = 'pending'"
        connection.execute(statement, [seconds])


def test_the_commands_of_the_documentation_run(client, workflow, port, tmp_path: Path):
    blocks = re.findall(r"```sh\n(.*?)```", (ROOT / "docs/api.md").read_text(), re.DOTALL)
    variables = {
        "API": str(client.base_url).rstrip("/"),
        "TOKEN": client.headers["authorization"].removeprefix("Bearer "),
        "WORKFLOW": workflow,
        "CALLBACK": f"http://127.0.0.1:{port}/done",
    }
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", "\n".join(blocks)],
        cwd=tmp_path,
        env={**os.environ, **variables, "no_proxy": "*"},
        capture_output=True,
        text=True,
        timeout=WITHIN_SECONDS,
    )
    assert done.returncode == 0, done.stderr
    for expected in (
        "202 Accepted",
        '"status":"success","output":{"is_large":true}',
        "event: execution.ended",
        "304",
        "idempotency_key_reused",
    ):
        assert expected in done.stdout
