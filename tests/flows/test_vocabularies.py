"""The two vocabularies by their shell scripts, against real processes; see tests/shell."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from pytest_httpserver import HTTPServer

from tests.flows.installation import ROOT, Installation
from tests.processes import wait_for

pytestmark = [
    pytest.mark.usefixtures("shell_sandbox"),
    pytest.mark.skipif(not (shutil.which("curl") and shutil.which("jq")), reason="the scripts call curl and jq"),
]
WITHIN_SECONDS = 90.0
# The password of the calls in the document, and the numbers that they name.
PREPARE = """
update accounts_user set password = %(password)s where username = 'admin';
select setval(pg_get_serial_sequence('process_definition', 'id'), 123, false);
select setval(pg_get_serial_sequence('human_task', 'id'), 789, false);
"""


@pytest.fixture(scope="module")
def service() -> Iterator[HTTPServer]:
    """A stand-in of the service that the calls name, on a loopback address."""
    with HTTPServer() as server:
        server.expect_request("/validate", method="POST").respond_with_json({"valid": True})
        yield server


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory, service: HTTPServer) -> Iterator[Installation]:
    installation = Installation(tmp_path_factory.mktemp("vocabularies"), EGRESS_ALLOWED=f"{service.host}:{service.port}")
    try:
        installation.until(r"Login +admin / (\S+)")
        execute(installation, PREPARE, password=PBKDF2PasswordHasher().encode("password123", "salt"))
        yield installation
    finally:
        installation.end()


def execute(installation: Installation, statement: str, **parameters: Any) -> None:
    with psycopg.connect(installation.addresses["DATABASE_URL"], autocommit=True, cursor_factory=psycopg.ClientCursor) as connection:
        connection.execute(statement.encode(), parameters)


def script(name: str, installation: Installation, service: HTTPServer) -> str:
    """What the script prints; it fails where an answer is not the expected one."""
    environment = {**os.environ, "HOST": installation.state["address"], "SERVICE": service.url_for("").rstrip("/")}
    done = subprocess.run(
        ["sh", str(ROOT / "tests" / "shell" / name)], env=environment, capture_output=True, text=True, timeout=400, check=False
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout.strip()


@pytest.mark.timeout(600)
def test_the_calls_of_the_process_vocabulary_run_as_they_stand(installation, service):
    timer = script("process.sh", installation, service)

    # Two hours later, by a moved clock: what the timer leads to.
    due = "update node_run set wake_at = clock_timestamp() where execution_id = %(execution)s::uuid and status = 'waiting'"
    execute(installation, due, execution=timer)
    wait_for(lambda: escalated(installation, timer) == [("escalate_to_manager", "open")], within_seconds=WITHIN_SECONDS)
    assert [request.json for request, _ in service.log if "order_id" in request.json] == [
        {"order_id": "ORDER-001", "customer_id": "CUST-456", "total_amount": 999.99},
    ]


def escalated(installation: Installation, execution_id: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(installation.addresses["DATABASE_URL"]) as connection:
        return connection.execute("select title, status from human_task where execution_id = %s", [execution_id]).fetchall()


@pytest.mark.timeout(600)
def test_the_step_vocabulary_runs_from_the_library_to_the_record(installation, service):
    script("step.sh", installation, service)
