"""A node run goes to the fleet that its node, its workflow or its type names; where no worker serves that, everybody is told."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import connection
from redis import Redis

from apps.executions.actions import start_execution
from apps.executions.connection import fetch
from apps.executions.models import Execution, NodeRun
from apps.fleet.fleets import own_fleets
from apps.fleet.health import health
from apps.fleet.models import Worker
from apps.fleet.queries import unserved_queues
from tests.api.clients import ApiClient, client_of
from tests.factories import make_version
from tests.processes import wait_for
from tests.workers.driving import drive
from tests.workers.test_runner import START, document, put
from workers.heartbeat import Heartbeat

pytestmark = pytest.mark.django_db(transaction=True)

ROOT = Path(__file__).resolve().parent.parent.parent
WORK = {"type": "function", "config": {"function": "tests.count", "arguments": {}}}


@pytest.fixture
def redis():
    client = Redis.from_url(settings.REDIS_URL)
    client.flushall()
    return client


def queues_of(own: dict[str, Any], **node: Any) -> list[str]:
    """Queues of the entry, and of `work`, in the plan and in the graph of such a workflow."""
    version = make_version(document({"start": START, "work": {**WORK, **node}}, "start -> work", settings=own))
    execution_id = start_execution(workflow=version.workflow).execution_id
    drive(execution_id)
    return list(NodeRun.objects.filter(execution_id=execution_id).order_by("id").values_list("queue", flat=True))


def test_a_workflow_sends_its_nodes_to_a_fleet_and_a_node_goes_elsewhere():
    assert queues_of({}) == ["default", "code", "default"]
    assert queues_of({"queue": "gpu"}) == ["gpu", "gpu", "gpu"]
    assert queues_of({"queue": "gpu"}, queue="reports") == ["gpu", "reports", "gpu"]


def start_on_gpu() -> tuple[UUID, ApiClient]:
    version = make_version(document({"start": START, "end": put(x=1)}, "start -> end", settings={"queue": "gpu"}))
    return start_execution(workflow=version.workflow).execution_id, client_of(version.workspace.owner)


def note_of(client: ApiClient, execution_id: UUID) -> str | None:
    (run,) = client.get_json(f"/executions/{execution_id}")["node_runs"]
    assert client.get_json(f"/executions/{execution_id}/nodes")["results"] == [run]
    assert client.get_json(f"/executions/{execution_id}/nodes/start")["note"] == run["note"]
    return run["note"]


def test_a_node_run_says_that_no_worker_serves_its_queue_until_one_does(redis):
    execution_id, client = start_on_gpu()
    of_gpu = Heartbeat(queues=["gpu.high", "gpu"], pool="prefork", concurrency=1)
    Heartbeat(queues=["default.high", "default"], pool="threads", concurrency=16).beat()
    assert note_of(client, execution_id) == "no worker serves queue gpu"

    of_gpu.beat()
    assert note_of(client, execution_id) is None

    Worker.objects.update(seen_at="2020-01-01T00:00:00Z")
    assert note_of(client, execution_id) == "no worker serves queue gpu", "the worker has said nothing for long"

    of_gpu.stop()
    of_gpu.beat()
    assert not Worker.objects.exists(), "who has left says no more"


def test_health_counts_unserved_queues_and_the_admin_names_them(redis, client):
    execution_id, _ = start_on_gpu()
    assert unserved_queues() == {}, "it has only just been queued"
    fetch(
        "update node_run set queued_at = queued_at - interval '1 minute' where execution_id = %(e)s returning 1 as one", {"e": execution_id}
    )

    assert unserved_queues() == {"gpu": 1}
    health._checked_at = float("-inf")
    answer = client.get("/health").json()
    assert answer["warnings"] == {"queues": "1 queue has node runs and no worker"}
    operator = make_version().workspace.owner
    operator.is_superuser = operator.is_staff = True
    operator.save()
    client.force_login(operator, backend=settings.AUTHENTICATION_BACKENDS[0])
    assert "No worker serves queue gpu: 1 node runs wait for it." in client.get("/admin/fleet/worker/").content.decode()
    assert "no worker serves queue gpu" in client.get(f"/admin/executions/execution/{execution_id}/change/").content.decode()


def test_what_waited_for_a_fleet_runs_once_a_worker_of_it_comes(redis, tmp_path):
    execution_id, client = start_on_gpu()
    assert note_of(client, execution_id) == "no worker serves queue gpu"
    database = connection.settings_dict
    environment = {
        **os.environ,
        "DATABASE_URL": f"postgresql://{database['USER']}:{database['PASSWORD']}@{database['HOST']}:{database['PORT']}/{database['NAME']}",
        "DJANGO_SETTINGS_MODULE": "structforge.settings.test",
        "FLEETS": "gpu:threads:1",
    }
    (fleet,) = own_fleets(environment["FLEETS"])
    command = [sys.executable, "-m", "celery", "-A", "structforge", *fleet.arguments(log_level="WARNING")]
    with open(tmp_path / "log", "wb") as log, subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log) as worker:
        try:
            wait_for(lambda: has_ended(execution_id), within_seconds=90, otherwise=(tmp_path / "log").read_text)
            wait_for(lambda: serving() == [["gpu", "gpu.high"]], within_seconds=30, otherwise=lambda: str(serving()))
        finally:
            worker.terminate()
    assert Execution.objects.get(id=execution_id).status == "success"
    assert not Worker.objects.exists(), "it said that it leaves"


def has_ended(execution_id: UUID) -> bool:
    return Execution.objects.filter(id=execution_id, status="success").exists()


def serving() -> list[list[str]]:
    return list(Worker.objects.values_list("queues", flat=True))


def test_an_installation_names_fleets_of_its_own():
    gpu, reports = own_fleets("gpu:prefork:1, reports:threads:8")
    assert (gpu.queues, gpu.pool, gpu.concurrency) == (("gpu.high", "gpu"), "prefork", 1)
    assert reports.process_name == "worker-reports"
    assert own_fleets("") == ()


@pytest.mark.parametrize("wrong", ["gpu", "gpu:solo:1", "gpu:threads:0", "default:threads:4", "GPU:threads:4", "gpu.high:threads:1"])
def test_a_fleet_that_means_nothing_is_refused(wrong):
    with pytest.raises(ImproperlyConfigured, match=wrong):
        own_fleets(wrong)
