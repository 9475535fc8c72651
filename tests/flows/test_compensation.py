"""What follows from a failure with real workers and a real service that counts, one worker killed in the middle."""

import os
import signal
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import httpx2
import psycopg
import pytest

from tests.apps.smtp_sink import Sink, running_sink
from tests.flows.counting_service import CountingService, counting_service
from tests.flows.installation import Installation
from tests.processes import wait_for

pytestmark = pytest.mark.timeout(400)

WITHIN_SECONDS = 120.0


@pytest.fixture(scope="module")
def service() -> Iterator[CountingService]:
    with counting_service() as service:
        yield service


@pytest.fixture(scope="module")
def mails() -> Iterator[Sink]:
    with running_sink() as sink:
        yield sink


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory, service: CountingService, mails: Sink) -> Iterator[Installation]:
    mail_url = f"smtp://127.0.0.1:{mails.port}"
    installation = Installation(tmp_path_factory.mktemp("undoing"), EGRESS_ALLOWED=service.place, EMAIL_URL=mail_url)
    try:
        yield installation
    finally:
        installation.end()


@pytest.fixture(scope="module")
def client(installation: Installation) -> Iterator[httpx2.Client]:
    password = installation.until(r"Login +admin / (\S+)")[1]
    with httpx2.Client(base_url=f"{installation.state['address']}/api/v1", timeout=60) as client:
        answer = client.post("/auth/login", json={"username": "admin", "password": password})
        assert answer.status_code == 200, answer.text
        client.headers["authorization"] = f"Bearer {answer.json()['access']}"
        yield client


def call(service: CountingService, key: str, **settings: Any) -> dict[str, Any]:
    config = {"url": f"http://{service.place}/{key}", "method": "POST", "idempotent": True}
    return {"key": key, "type": "http.request", "config": config, "on_worker_lost": "rerun", **settings}


def booking(service: CountingService, name: str, fourth: dict[str, Any]) -> dict[str, Any]:
    """do1 ▶ do2 ▶ do3 ▶ fourth ▶ do5; the first three have undo nodes."""
    steps = [call(service, f"do{i}", compensate=f"undo{i}") for i in (1, 2, 3)]
    undo = [call(service, f"undo{i}") for i in (1, 2, 3)]
    keys = ["start", "do1", "do2", "do3", fourth["key"], "do5"]
    return {
        "name": name,
        "nodes": [{"key": "start", "type": "trigger.manual"}, *steps, fourth, call(service, "do5"), *undo],
        "edges": [{"source": a, "target": b} for a, b in pairwise(keys)],
    }


def start(client: httpx2.Client, definition: dict[str, Any]) -> str:
    made = client.post("/workflows", json={"definition": definition, "publish": True})
    assert made.status_code == 201, made.text
    started = client.post("/executions", json={"workflow": made.json()["id"]})
    assert started.status_code == 202, started.text
    execution_id: str = started.json()["id"]
    return execution_id


def until_ended(client: httpx2.Client, execution_id: str, *statuses: str) -> dict[str, Any]:
    """The execution once it, and what undoes it, have ended."""
    found: dict[str, Any] = {}

    def is_over() -> bool:
        found.update(client.get(f"/executions/{execution_id}").json())
        compensation = found["compensation"]
        return found["status"] in statuses and compensation is not None and compensation["status"] in ("success", "failed")

    wait_for(is_over, within_seconds=WITHIN_SECONDS, otherwise=lambda: str(found))
    return found


def kill_who_holds(installation: Installation, key: str) -> None:
    with psycopg.connect(installation.addresses["DATABASE_URL"], autocommit=True) as connection:
        rows = connection.execute("select worker from node_run where key = %s and status = 'running'", [key]).fetchall()
    assert len(rows) == 1
    os.kill(int(rows[0][0].rsplit(":", 2)[1]), signal.SIGKILL)


def test_what_a_failed_execution_did_is_undone_once_each_though_a_worker_is_killed(installation, service, client):
    service.forget()
    service.hold("undo2")
    execution_id = start(client, booking(service, "books and fails", {**call(service, "refused"), "retry": None}))
    assert service.is_held.wait(WITHIN_SECONDS)
    kill_who_holds(installation, "undo2")
    service.may_go_on.set()

    execution = until_ended(client, execution_id, "failed")

    assert service.effects == ["do1", "do2", "do3", "undo3", "undo2", "undo1"]
    assert service.calls.count("undo2") == 2, "its worker was killed after the effect, and nobody had heard of it"
    assert execution["error"]["node"] == "refused"
    assert execution["compensation"]["undone"] == ["do3", "do2", "do1"]
    assert execution["compensation"]["failed"] == []


def test_what_a_cancelled_execution_did_is_undone_once_each(installation, service, client):
    service.forget()
    wait = {"key": "wait", "type": "control.delay", "config": {"seconds": 3600}}
    execution_id = start(client, booking(service, "books and waits", wait))
    wait_for(lambda: service.effects == ["do1", "do2", "do3"], within_seconds=WITHIN_SECONDS)

    def waits() -> bool:
        runs = client.get(f"/executions/{execution_id}").json()["node_runs"]
        return any(run["key"] == "wait" and run["status"] == "waiting" for run in runs)

    wait_for(waits, within_seconds=WITHIN_SECONDS)
    assert client.post(f"/executions/{execution_id}/cancel").status_code == 200

    execution = until_ended(client, execution_id, "cancelled")

    assert service.effects == ["do1", "do2", "do3", "undo3", "undo2", "undo1"]
    assert execution["compensation"]["undone"] == ["do3", "do2", "do1"]


def test_a_failure_is_tried_again_dealt_with_and_told_by_mail_and_webhook(installation, service, client, mails):
    service.forget()
    look = {"name": "looks", "nodes": [{"key": "start", "type": "trigger.manual"}], "output": {"node": "${input.node}"}}
    handler = client.post("/workflows", json={"definition": look, "publish": True}).json()["id"]
    settings = {
        "retry": {"max_attempts": 2, "delay_seconds": 0},
        "error_workflow": handler,
        "notify": [
            {"on": ["failed"], "email": ["ops@example.com"]},
            {"on": ["retrying", "failed"], "webhook": f"http://{service.place}/told"},
        ],
    }
    nodes = [{"key": "start", "type": "trigger.manual"}, {**call(service, "refused")}]
    definition = {"name": "fails", "nodes": nodes, "edges": [{"source": "start", "target": "refused"}], "settings": settings}
    first = start(client, definition)

    def ended(**filters: str) -> list[dict[str, Any]]:
        listed: list[dict[str, Any]] = client.get("/executions", params=filters).json()["results"]
        return [each for each in listed if each["finished_at"]]

    wait_for(lambda: bool(ended(workflow=handler)), within_seconds=WITHIN_SECONDS)
    wait_for(lambda: len(mails.taken) == 1 and service.effects == ["told", "told"], within_seconds=WITHIN_SECONDS)

    [again] = ended(trigger="retry")
    [handled] = ended(trigger="error")
    assert client.get(f"/executions/{again['id']}").json()["follows"] == {"kind": "retry", "execution": first, "attempt": 2}
    assert client.get(f"/executions/{handled['id']}").json()["output"] == {"node": "refused"}
    assert mails.taken[0].message["Subject"] == "fails has failed"
    states = [each["state"] for each in client.get("/notifications").json()["results"]]
    assert states == ["delivered"] * 3
