"""A re-run by a real worker, which calls a real service on loopback."""

import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from pytest_httpserver import HTTPServer
from redis import Redis
from werkzeug import Request, Response

from apps.engine.rerun_places import Place
from apps.executions.actions import start_execution
from apps.executions.models import Execution, ExecutionEvent, NodeRun
from apps.executions.rerunning import Rerun, rerun_execution
from tests.chaos.processes import Process, python
from tests.chaos.stack import ALL_QUEUES, CELERY, QUIET
from tests.factories import make_version
from tests.processes import wait_for
from tests.workers.test_runner import START, document

pytestmark = pytest.mark.django_db(transaction=True)

STEPS = [f"step{number}" for number in range(1, 11)]


@pytest.fixture
def service(httpserver: HTTPServer) -> HTTPServer:
    """Answers each step with its number; the eighth takes no negative amount."""

    def answer(request: Request) -> Response:
        sent = request.get_json()
        if request.path == "/step8" and sent["before"]["amount"] < 0:
            return Response('{"fault": "negative"}', status=422, content_type="application/json")
        return Response('{"amount": -1}', content_type="application/json")

    for step in STEPS:
        httpserver.expect_request(f"/{step}", method="POST").respond_with_handler(answer)
    return httpserver


@pytest.fixture
def worker(service: HTTPServer, tmp_path: Path):
    database = connection.settings_dict
    url = f"postgresql://{database['USER']}:{database['PASSWORD']}@{database['HOST']}:{database['PORT']}/{database['NAME']}"
    environment = {
        **os.environ,
        "DATABASE_URL": url,
        "DJANGO_SETTINGS_MODULE": "structforge.settings.test",
        "EGRESS_ALLOWED": f"{service.host}:{service.port}",
    }
    Redis.from_url(settings.REDIS_URL).flushall()  # or it would first look at the messages that other tests have left
    args = python(*CELERY, "worker", "-n", "reruns@%h", "-P", "threads", "-c", "2", "-Q", ALL_QUEUES, "-l", "info", *QUIET)
    process = Process("worker", args, environment, tmp_path / "worker.log")
    process.start()
    yield process
    process.kill()


def step(service: HTTPServer, number: int) -> dict[str, Any]:
    before = "${input}" if number == 1 else f"${{nodes.step{number - 1}.body}}"
    return {"type": "http.request", "config": {"method": "POST", "url": service.url_for(f"/step{number}"), "body": {"before": before}}}


def ended(execution_id, worker: Process) -> Execution:
    def has_ended() -> bool:
        return Execution.objects.get(id=execution_id).finished_at is not None

    wait_for(has_ended, within_seconds=90, otherwise=worker.log.read_text)
    return Execution.objects.get(id=execution_id)


def rows(execution_id) -> list[Any]:
    """All that is stored of an execution."""
    return [
        *Execution.objects.filter(id=execution_id).values(),
        *NodeRun.objects.filter(execution_id=execution_id).order_by("id").values(),
        *ExecutionEvent.objects.filter(execution_id=execution_id).order_by("id").values(),
    ]


def test_the_eighth_of_ten_fails_its_input_is_edited_and_the_first_seven_are_not_called_again(service, worker):
    nodes = {"start": START, **{f"step{number}": step(service, number) for number in range(1, 11)}}
    version = make_version(document(nodes, f"start -> {' -> '.join(STEPS)}"))
    old = ended(start_execution(workflow=version.workflow, input={"amount": 1}).execution_id, worker)
    assert (old.status, old.error["node"]) == ("failed", "step8")
    before = rows(old.id)
    keys_before = {request.path: request.headers["Idempotency-Key"] for request, _ in service.log}
    service.clear_log()

    given = {"step7": {"status": 200, "headers": {}, "body": {"amount": 5}}}
    made = rerun_execution(execution=old, asked=Rerun(origin=Place("step8"), outputs=given), started_by=None)
    new = ended(made.execution_id, worker)

    assert new.status == "success"
    assert Counter(request.path for request, _ in service.log) == {"/step8": 1, "/step9": 1, "/step10": 1}
    assert service.log[0][0].get_json() == {"before": {"amount": 5}}
    assert service.log[0][0].headers["Idempotency-Key"] != keys_before["/step8"]
    assert (new.rerun_of_id, new.trigger, new.input) == (old.id, "rerun", {"amount": 1})
    assert rows(old.id) == before
    origins = dict(NodeRun.objects.filter(execution_id=new.id).values_list("key", "origin"))
    assert origins == {
        "start": "reused",
        **{f"step{number}": "reused" for number in range(1, 7)},
        "step7": "edited",
        **dict.fromkeys(["step8", "step9", "step10", "$output"]),
    }
    assert [one.key for one in made.prepared.runs if one.effect == "external" and one.has_run] == ["step8"]
