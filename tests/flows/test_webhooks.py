"""Webhooks from outside, against real processes: kept while nobody runs anything, run later, and answered by workflows."""

import itertools
import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import psycopg
import pytest

from tests.flows.installation import Installation

CALLS = 1000
WITHIN_SECONDS = 240.0
NUMBERS = """
select (c.body->>'n')::int from webhook_call c join webhook h on h.id = c.webhook_id join workflow w on w.id = h.workflow_id
  join execution e on e.id = c.execution_id where w.name = 'quick'
"""
NODES = {
    "quick": [{"key": "hook", "type": "trigger.webhook", "config": {"dedup_key": "${request.body.n}"}}],
    "output": [{"key": "hook", "type": "trigger.webhook", "config": {"respond": "last_node", "wait_seconds": 60}}],
    "failing": [
        {"key": "hook", "type": "trigger.webhook", "config": {"respond": "last_node", "wait_seconds": 60}},
        {"key": "stop", "type": "control.fail", "config": {"message": "a secret reason", "code": "refused"}},
    ],
    "slow": [
        {"key": "hook", "type": "trigger.webhook", "config": {"respond": "last_node", "wait_seconds": 0.5}},
        {"key": "wait", "type": "control.delay", "config": {"seconds": 3600}},
    ],
    "own": [
        {"key": "hook", "type": "trigger.webhook", "config": {"respond": "node", "wait_seconds": 60}},
        {
            "key": "answer",
            "type": "webhook.respond",
            "config": {"status": "${input.body.status}", "headers": {"X-Order": "${input.body.id}"}, "body": {"got": "${input.query.a}"}},
        },
        {"key": "later", "type": "control.delay", "config": {"seconds": 3600}},
    ],
    "mute": [{"key": "hook", "type": "trigger.webhook", "config": {"respond": "node", "wait_seconds": 60}}],
}


def definition(name: str) -> dict[str, Any]:
    nodes = NODES[name]
    keys = [node["key"] for node in nodes]
    edges = [{"source": source, "target": target} for source, target in itertools.pairwise(keys)]
    return {"name": name, "nodes": nodes, "edges": edges, "output": {"sum": "${input.body.n + 1}"} if name == "output" else {}}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("webhooks")


@pytest.fixture(scope="module")
def addresses(folder: Path) -> dict[str, str]:
    """{workflow: path of its webhook}, after 1,000 calls of `quick` that came while neither workers nor beat ran."""
    installation = Installation(folder, "--only", "web")
    try:
        password = installation.until(r"Login +admin / (\S+)")[1]
        with httpx2.Client(base_url=installation.state["address"], timeout=60) as client:
            answer = client.post("/api/v1/auth/login", json={"username": "admin", "password": password})
            client.headers["authorization"] = f"Bearer {answer.json()['access']}"
            found = {name: publish(client, name) for name in NODES}
        with httpx2.Client(base_url=installation.state["address"], timeout=60) as stranger, ThreadPoolExecutor(8) as pool:
            statuses = list(pool.map(lambda n: stranger.post(found["quick"], json={"n": n}).status_code, range(CALLS)))
        assert statuses == [202] * CALLS
        assert installation.interrupt() == 0
    finally:
        installation.end()
    return found


@pytest.fixture(scope="module")
def installation(folder: Path, addresses: dict[str, str]) -> Iterator[Installation]:
    installation = Installation(folder)
    try:
        installation.until("is ready")
        yield installation
    finally:
        installation.end()


def publish(client: httpx2.Client, name: str) -> str:
    return publish_definition(client, definition(name))[1]


def publish_definition(client: httpx2.Client, document: dict[str, Any]) -> tuple[str, str]:
    """Id of the workflow, and path of its webhook."""
    made = client.post("/api/v1/workflows", json={"definition": document, "publish": True})
    assert made.status_code == 201, made.text
    (webhook,) = client.get("/api/v1/webhooks", params={"workflow": made.json()["id"]}).json()["results"]
    return made.json()["id"], httpx2.URL(webhook["url"]).path


@pytest.mark.timeout(600)
def test_a_thousand_calls_that_came_while_all_workers_were_down_run_once_each(installation, addresses):
    deadline = time.monotonic() + WITHIN_SECONDS
    with psycopg.connect(installation.addresses["DATABASE_URL"], autocommit=True) as connection:
        while (ended := count(connection, "e.status = 'success'")) < CALLS:
            assert time.monotonic() < deadline, f"{ended} of {CALLS} have ended"
            time.sleep(0.5)
        assert count(connection, "true") == CALLS
        rows = connection.execute(NUMBERS).fetchall()
    assert sorted(number for (number,) in rows) == list(range(CALLS))


def count(connection: "psycopg.Connection[Any]", condition: str) -> int:
    statement = f"select count(*) from execution e join workflow w on w.id = e.workflow_id where w.name = 'quick' and {condition}"
    row = connection.execute(statement).fetchone()
    assert row is not None
    return int(row[0])


def call(installation: Installation, path: str, body: object = None, tail: str = "") -> httpx2.Response:
    return httpx2.post(f"{installation.state['address']}{path}{tail}", json=body, timeout=90)


@pytest.mark.timeout(600)
def test_a_workflow_answers_with_its_output(installation, addresses):
    answer = call(installation, addresses["output"], {"n": 41})
    assert (answer.status_code, answer.json()) == (200, {"sum": 42})
    assert answer.headers["content-security-policy"].startswith("sandbox")


@pytest.mark.timeout(600)
def test_a_workflow_that_fails_says_so_and_not_why(installation, addresses):
    answer = call(installation, addresses["failing"], {})
    assert (answer.status_code, answer.json()["code"]) == (500, "execution_failed")
    assert "secret reason" not in answer.text


@pytest.mark.timeout(600)
def test_over_the_time_limit_the_answer_is_202_and_it_goes_on(installation, addresses):
    answer = call(installation, addresses["slow"], {})
    assert answer.status_code == 202
    with psycopg.connect(installation.addresses["DATABASE_URL"], autocommit=True) as connection:
        assert connection.execute("select status from execution where id = %s", [answer.json()["id"]]).fetchone() == ("running",)


@pytest.mark.timeout(600)
def test_a_node_answers_and_the_workflow_goes_on(installation, addresses):
    answer = call(installation, addresses["own"], {"status": 201, "id": "o-7"}, "/orders?a=b")
    assert (answer.status_code, answer.headers["x-order"], answer.json()) == (201, "o-7", {"got": "b"})


@pytest.mark.timeout(600)
def test_a_workflow_that_ends_without_an_answer_is_an_error(installation, addresses):
    answer = call(installation, addresses["mute"], {})
    assert (answer.status_code, answer.json()["code"]) == (500, "no_answer")
    assert json.loads(answer.content)["details"]["id"]
