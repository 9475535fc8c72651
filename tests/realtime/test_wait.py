"""Waiting for the end of an execution."""

import threading
import time
from uuid import UUID, uuid4

import pytest
from channels.db import database_sync_to_async
from django.db import connections

from apps.executions import wait
from apps.executions.actions import start_execution
from apps.executions.wait import await_until_settled, wait_until_settled
from apps.realtime import follow
from tests.factories import make_version
from tests.workers.driving import drive

pytestmark = pytest.mark.django_db(transaction=True)

WITHIN_SECONDS = 10.0


@pytest.fixture
def execution_id() -> UUID:
    return start_execution(workflow=make_version().workflow).execution_id


def drive_apart(execution_id: UUID) -> None:
    """Drive in a thread, which has connections of its own."""
    drive(execution_id)
    connections.close_all()


def test_an_end_that_came_before_is_seen_at_once(execution_id):
    drive(execution_id)
    began = time.monotonic()

    assert wait_until_settled(execution_id, WITHIN_SECONDS)
    assert time.monotonic() - began < wait.CHECK_SECONDS / 2


def test_an_end_that_comes_while_it_waits_is_told_and_not_asked_for(execution_id, monkeypatch):
    monkeypatch.setattr(wait, "CHECK_SECONDS", 60.0)
    worker = threading.Thread(target=drive_apart, args=(execution_id,))
    worker.start()

    assert wait_until_settled(execution_id, WITHIN_SECONDS)
    worker.join()


def test_without_an_end_the_time_passes(execution_id):
    assert not wait_until_settled(execution_id, 0.05)


def test_no_time_at_all_only_looks(execution_id):
    assert not wait_until_settled(execution_id, 0)
    drive(execution_id)
    assert wait_until_settled(execution_id, 0)


def test_an_unknown_execution_does_not_end():
    assert not wait_until_settled(uuid4(), 0.05)


def test_without_redis_the_row_is_looked_at(execution_id, settings, monkeypatch):
    settings.LIVE_REDIS_URL = "redis://127.0.0.1:1/1"
    monkeypatch.setattr(wait, "CHECK_SECONDS", 0.05)
    follow.close()
    worker = threading.Thread(target=drive_apart, args=(execution_id,))
    worker.start()

    assert wait_until_settled(execution_id, WITHIN_SECONDS)
    worker.join()
    follow.close()


async def test_a_coroutine_waits_too(monkeypatch):
    monkeypatch.setattr(wait, "CHECK_SECONDS", 60.0)
    execution_id = await database_sync_to_async(lambda: start_execution(workflow=make_version().workflow).execution_id)()
    worker = threading.Thread(target=drive_apart, args=(execution_id,))
    worker.start()

    assert await await_until_settled(execution_id, WITHIN_SECONDS)
    worker.join()
