"""Real worker processes: what their children share, and what they do when they are told to stop in the middle of a node."""

import os
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection
from redis import Redis

from apps.executions.models import NodeRun
from tests.chaos.processes import Process, python
from tests.chaos.stack import ALL_QUEUES, CELERY, QUIET
from tests.processes import wait_for
from tests.workers.test_sweepers import begin
from workers.sweepers import HoldDown, Sweeper

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def worker(request, tmp_path: Path):
    """By its pool, and modules of functions that it is told of besides those of the tests: "prefork some.module"."""
    database = connection.settings_dict
    url = f"postgresql://{database['USER']}:{database['PASSWORD']}@{database['HOST']}:{database['PORT']}/{database['NAME']}"
    pool, *modules = request.param.split()
    environment = {
        **os.environ,
        "NODE_FUNCTION_MODULES": ",".join(modules),
        "DATABASE_URL": url,
        "WORKER_STOP_SECONDS": "0.5",
        "DJANGO_SETTINGS_MODULE": "structforge.settings.test",
    }
    Redis.from_url(settings.REDIS_URL).flushall()  # or it would first look at the messages that other tests have left
    args = python(*CELERY, "worker", "-n", "processes@%h", "-P", pool, "-c", "1", "-Q", ALL_QUEUES, "-l", "info", *QUIET)
    process = Process("worker", args, environment, tmp_path / "worker.log")
    process.start()
    yield process
    process.kill()


def wait_until_it_is(status: str, node_run: NodeRun, worker: Process) -> None:
    def is_there() -> bool:
        node_run.refresh_from_db()
        return node_run.status == status

    wait_for(is_there, within_seconds=60, otherwise=worker.log.read_text)


@pytest.mark.parametrize("worker", ["prefork"], indirect=True)
def test_pool_children_share_the_functions_that_their_worker_has_imported(worker):
    node_run = NodeRun.objects.get(execution_id=begin("tests.where"), key="work")

    wait_until_it_is("success", node_run, worker)

    found = node_run.output
    assert found["imported_by"] == found["child_of"] != found["run_by"]


@pytest.mark.parametrize("worker", ["prefork tests.there_is_no_such_module"], indirect=True)
def test_a_module_of_functions_that_cannot_be_imported_is_named_and_what_needs_it_stays_queued(worker):
    node_run = NodeRun.objects.get(execution_id=begin("tests.where"), key="work")

    wait_for(lambda: "cannot run version" in worker.log.read_text(), within_seconds=60, otherwise=worker.log.read_text)

    assert (
        "the module 'tests.there_is_no_such_module', named by the setting NODE_FUNCTION_MODULES, cannot be imported"
        in worker.log.read_text()
    )
    node_run.refresh_from_db()
    assert (node_run.status, node_run.attempt) == ("queued", 1)


@pytest.mark.parametrize("worker", ["prefork", "threads"], indirect=True)
def test_a_worker_that_must_stop_hands_back_what_does_not_end_and_it_counts_as_no_loss(worker):
    node_run = NodeRun.objects.get(execution_id=begin("tests.endless"), key="work")

    wait_until_it_is("running", node_run, worker)
    assert worker.stop(60)

    Sweeper(redis=Redis.from_url(settings.REDIS_URL), hold_down=HoldDown(lease_seconds=0)).rescue()

    node_run.refresh_from_db()
    assert (node_run.status, node_run.attempt, node_run.losses) == ("queued", 2, 0)
