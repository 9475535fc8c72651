"""A workflow that calls its own webhook, run by real processes: it comes to an end."""

import socket
import time

import httpx2
import psycopg
import pytest

from tests.flows.installation import Installation
from tests.flows.test_webhooks import publish_definition

WITHIN_SECONDS = 240.0
DEPTHS = """
select e.depth, e.status, coalesce((n.error->'details'->>'status')::int, 0)
  from execution e join workflow w on w.id = e.workflow_id left join node_run n on n.execution_id = e.id and n.key = 'again'
 where w.name = 'itself' order by e.depth
"""
REFUSED = "select c.error->>'code' from webhook_call c join webhook h on h.id = c.webhook_id where c.state = 'refused'"


@pytest.fixture
def installation(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    installation = Installation(tmp_path, EGRESS_ALLOWED=f"127.0.0.1:{port}", SERVER_PORT=str(port))
    try:
        yield installation
    finally:
        installation.end()


def itself(again: str) -> dict:
    """hook ▶ again, which calls the hook."""
    call = {"url": again, "method": "POST", "body": {}, "headers": {"X-StructForge-Depth": 0}}
    nodes = [{"key": "hook", "type": "trigger.webhook"}, {"key": "again", "type": "http.request", "config": call}]
    return {"name": "itself", "nodes": nodes, "edges": [{"source": "hook", "target": "again"}]}


@pytest.mark.timeout(600)
def test_a_workflow_that_calls_its_own_webhook_ends_with_the_eleventh_execution(installation):
    password = installation.until(r"Login +admin / (\S+)")[1]
    address = installation.state["address"]
    with httpx2.Client(base_url=address, timeout=60) as client:
        answer = client.post("/api/v1/auth/login", json={"username": "admin", "password": password})
        client.headers["authorization"] = f"Bearer {answer.json()['access']}"
        workflow, path = publish_definition(client, itself(address))
        newer = {"definition": itself(f"{address}{path}"), "publish": True}
        assert client.post(f"/api/v1/workflows/{workflow}/versions", json=newer).status_code == 201
    assert httpx2.post(f"{address}{path}", json={}, timeout=60).status_code == 202

    with psycopg.connect(installation.addresses["DATABASE_URL"], autocommit=True) as connection:
        deadline = time.monotonic() + WITHIN_SECONDS
        while not (found := connection.execute(REFUSED).fetchall()) or connection.execute(DEPTHS).fetchall()[-1][1] != "failed":
            assert time.monotonic() < deadline, connection.execute(DEPTHS).fetchall()
            time.sleep(0.2)
        rows = connection.execute(DEPTHS).fetchall()
    assert found == [("too_deep",)]
    assert rows == [*((depth, "success", 0) for depth in range(10)), (10, "failed", 422)]
