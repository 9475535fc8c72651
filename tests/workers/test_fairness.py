"""A long backlog of one workspace does not hold up another: what is sent ahead is bounded, and the rest goes by turns.

`FAIRNESS_BACKLOG` sets the size of the backlog; at full size it is 100,000.
"""

import base64
import os
from typing import Any
from uuid import UUID

import orjson
import pytest
from django.conf import settings
from redis import Redis

from apps.executions import backlog, handoff
from apps.executions.actions import Start, pause_execution, resume_execution, start_execution, start_executions
from apps.executions.connection import fetch
from apps.executions.models import Execution, NodeRun
from apps.workflows.models import WorkflowVersion
from tests.factories import make_version
from tests.workers.test_runner import START, document, put
from workers import runner
from workers.sweepers import HoldDown, Sweeper

pytestmark = pytest.mark.django_db(transaction=True)

BACKLOG = int(os.environ.get("FAIRNESS_BACKLOG", "2000"))
MOST_AHEAD = 2 * backlog.WINDOW_RUNS


@pytest.fixture
def redis(monkeypatch):
    monkeypatch.setattr(backlog, "_room", backlog.Room())
    client = Redis.from_url(settings.BROKER_URL)
    client.flushall()
    return client


@pytest.fixture
def sweeper(redis):
    return Sweeper(redis=redis, hold_down=HoldDown(lease_seconds=0))


class Messages:
    """A worker that takes one message at a time from the real queue, and runs what it names."""

    def __init__(self, redis: Redis, queue: str = "default.high") -> None:
        self._redis, self._queue = redis, queue

    def __len__(self) -> int:
        return self._redis.llen(self._queue)

    def work(self) -> list[UUID]:
        """The executions that one message names, which have now run; empty where there is none."""
        message = self._redis.rpop(self._queue)
        if message is None:
            return []
        envelope = orjson.loads(message)
        named, keys, path, version = orjson.loads(base64.b64decode(envelope["body"]))[0]
        executions = [UUID(one) for one in (named if isinstance(named, list) else [named])]
        for execution in executions:
            runner.run(execution, [keys] if isinstance(keys, str) else keys, path, UUID(version), hand_over=lambda ready: False)
        return executions


def brief(username: str, **own: Any) -> WorkflowVersion:
    return make_version(document({"start": START, "end": put(x=1)}, "start -> end", settings=own), username=username)


def start_many(version: WorkflowVersion, count: int = BACKLOG) -> None:
    for first in range(0, count, 1000):
        start_executions(workflow=version.workflow, starts=[Start() for _ in range(min(1000, count - first))])


def test_one_execution_is_not_behind_the_backlog_of_another_workspace(redis, sweeper):
    messages, mine = Messages(redis), brief("ada")
    start_many(mine)
    assert len(messages) * handoff.MAX_SHARING <= MOST_AHEAD
    assert NodeRun.objects.filter(sends__lt=0).count() >= BACKLOG - MOST_AHEAD

    other = start_execution(workflow=brief("bob").workflow).execution_id
    worked = 0
    while not Execution.objects.filter(id=other, status="success").exists():
        sweeper._feeder.feed()
        ran = messages.work()
        assert ran, "the queue is empty, though there is work"
        worked += len(ran)
        assert worked <= MOST_AHEAD, f"{worked} executions of the other workspace went before it"


def test_everything_of_a_backlog_runs_once_in_the_end_and_the_queue_stays_short(redis, sweeper):
    messages = Messages(redis)
    start_many(brief("ada"), 1500)
    start_many(brief("bob"), 200)
    ran: list[UUID] = []
    while NodeRun.objects.filter(status="queued").exists():
        sweeper._feeder.feed()
        assert len(messages) * handoff.MAX_SHARING <= 2 * MOST_AHEAD
        found = messages.work()
        assert found
        ran += found

    assert len(ran) == len(set(ran)) == 1700
    assert set(Execution.objects.values_list("status", flat=True)) == {"success"}


def test_what_waits_for_its_first_message_is_not_taken_for_lost_when_the_queue_runs_empty(redis, sweeper):
    start_many(brief("ada"))
    sent = NodeRun.objects.filter(sends=0).update(sends=3)
    redis.flushdb()
    fetch("update node_run set queued_at = queued_at - interval '1 min' returning id", {})

    assert sweeper.send_stranded() == 0, "nothing is lost that was never sent"
    assert NodeRun.objects.filter(sends__lt=0).count() == BACKLOG - sent, "it is still the feeder's to send"


def test_workspaces_with_a_backlog_take_turns(redis, sweeper):
    mine, theirs = brief("ada"), brief("bob")
    start_many(mine, 2000)
    start_many(theirs, 2000)
    unsent = NodeRun.objects.filter(sends__lt=0)
    before = {version.workspace_id: unsent.filter(workspace=version.workspace).count() for version in (mine, theirs)}
    redis.flushdb()

    sweeper._feeder.feed()

    sent = [before[version.workspace_id] - unsent.filter(workspace=version.workspace).count() for version in (mine, theirs)]
    assert sent[0] == sent[1] > 0


def test_a_bulk_start_of_a_calm_installation_is_sent_at_once(redis):
    start_many(brief("ada"), 1000)

    assert not NodeRun.objects.filter(sends__lt=0).exists()
    assert len(Messages(redis)) == 63


def test_a_backlog_of_normal_priority_leaves_that_of_high_alone(redis, sweeper):
    start_many(brief("ada", priority="normal"))
    start_execution(workflow=brief("bob").workflow)

    assert len(Messages(redis)) == 1
    assert set(NodeRun.objects.filter(sends__lt=0).values_list("sends", flat=True)) == {-1}


def test_what_is_paused_before_its_first_message_is_sent_when_it_goes_on(redis, sweeper):
    start_many(brief("ada"))
    paused = NodeRun.objects.filter(sends__lt=0).order_by("id").first().execution_id
    pause_execution(execution_id=paused)
    redis.flushdb()
    sweeper._feeder.feed()
    assert NodeRun.objects.get(execution_id=paused).sends == 0
    redis.flushdb()

    resume_execution(execution_id=paused)

    assert Messages(redis).work() == [paused]
    assert Execution.objects.get(id=paused).status == "success"


def test_a_redis_that_lost_its_memory_is_not_flooded_with_the_backlog(redis, sweeper):
    sweeper.check_epoch()
    start_many(brief("ada"))
    unsent = NodeRun.objects.filter(sends__lt=0).count()
    redis.flushall()

    assert sweeper.check_epoch() == BACKLOG - unsent
    assert fetch("select queue, sends from unsent_queues_v1()", {}) == [{"queue": "default", "sends": -2}]
