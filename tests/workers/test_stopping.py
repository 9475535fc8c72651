"""A real worker process that is told to stop in the middle of a node."""

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
    database = connection.settings_dict
    url = f"postgresql://{database['USER']}:{database['PASSWORD']}@{database['HOST']}:{database['PORT']}/{database['NAME']}"
    environment = {**os.environ, "DATABASE_URL": url, "WORKER_STOP_SECONDS": "0.5", "DJANGO_SETTINGS_MODULE": "structforge.settings.test"}
    Redis.from_url(settings.REDIS_URL).flushall()  # or it would first look at the messages that other tests have left
    args = python(*CELERY, "worker", "-n", "stopping@%h", "-P", request.param, "-c", "1", "-Q", ALL_QUEUES, "-l", "info", *QUIET)
    process = Process("worker", args, environment, tmp_path / "worker.log")
    process.start()
    yield process
    process.kill()


@pytest.mark.parametrize("worker", ["prefork", "threads"], indirect=True)
def test_a_worker_that_must_stop_hands_back_what_does_not_end_and_it_counts_as_no_loss(worker):
    execution_id = begin("tests.endless")
    node_run = NodeRun.objects.get(execution_id=execution_id, key="work")

    def is_running() -> bool:
        node_run.refresh_from_db()
        return node_run.status == "running"

    wait_for(is_running, within_seconds=60, otherwise=worker.log.read_text)
    assert worker.stop(60)

    Sweeper(redis=Redis.from_url(settings.REDIS_URL), hold_down=HoldDown(lease_seconds=0)).rescue()

    node_run.refresh_from_db()
    assert (node_run.status, node_run.attempt, node_run.losses) == ("queued", 2, 0)
