"""Limits hold at each of many random steps. `LIMITS_STEPS` and `LIMITS_SEED` set size and start; at full size it is 10,000 steps."""

import os
import random
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection as web_connection
from redis import Redis

import apps.executions
from apps.executions import handoff
from apps.executions.actions import start_execution
from apps.executions.connection import fetch
from apps.executions.models import Execution, ExecutionLimit
from tests.factories import make_version
from tests.workers.driving import step
from tests.workers.limits_model import Limits
from tests.workers.test_runner import START, document, put
from workers.sweepers import HoldDown, Sweeper

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def sweeper(monkeypatch):
    monkeypatch.setattr(handoff, "_messages", lambda ready, among: [])  # the model is the broker
    return Sweeper(redis=Redis.from_url(settings.REDIS_URL), hold_down=HoldDown(lease_seconds=0))


@pytest.mark.timeout(3600)
def test_no_limit_is_ever_exceeded_and_no_slot_is_lost(sweeper):
    seed = int(os.environ.get("LIMITS_SEED") or random.SystemRandom().randrange(2**32))
    print(f"LIMITS_SEED={seed}")
    model = Limits(seed, sweeper)

    model.play(int(os.environ.get("LIMITS_STEPS", "400")))

    model.finish()
    assert sweeper.check_invariants() == 0


def test_many_who_ask_at_once_get_no_more_slots_than_there_are(sweeper):
    nodes = {"start": START, "end": put(x=1)}
    versions = [make_version(document(nodes, "start -> end", settings={"max_concurrency": 2}), username=name) for name in ("ada", "bob")]
    ExecutionLimit.objects.create(kind="installation", max_running=3)
    most, over = {"now": 0}, threading.Event()

    def start_and_run(number: int) -> None:
        start_execution(workflow=versions[number % 2].workflow)
        web_connection.close()
        for execution in running():
            step(execution)

    def running() -> list:
        found = fetch("select id, workflow_id from execution where status in ('running', 'cancelling')", {})
        if len(found) > 3 or any(sum(row["workflow_id"] == version.workflow_id for row in found) > 2 for version in versions):
            over.set()
        most["now"] = max(most["now"], len(found))
        return [row["id"] for row in found]

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(start_and_run, range(60)))
    while left := running():
        for execution in left:
            step(execution)
        sweeper.let_in()

    assert not over.is_set()
    assert most["now"] == 3
    assert set(Execution.objects.values_list("status", flat=True)) == {"success"}


ADMISSION = Path(apps.executions.__file__).parent / "sql" / "admission_v1.sql"
MUTANTS = {
    "nobody counts who was let in a moment ago": ("continue when c.held_here", "continue when false and c.held_here"),
    "a paused execution gives its slot away": (
        "where e.workspace_id = w.workspace_id and e.status in ('running', 'paused', 'cancelling'))",
        "where e.workspace_id = w.workspace_id and e.status in ('running', 'cancelling'))",
    ),
    "a key is not looked at": ("where e.workflow_id = b.workflow_id and e.concurrency_key = b.key and", "where false and"),
    "the limit of a person is not looked at": ("where l.workspace_id = p_workspace and l.kind = 'user'", "where false and l.kind = 'user'"),
    "the installation is filled up by each call": ("or v_all + cardinality(v_admitted) >= v_most_of_all;", ";"),
    "what is cancelled in line stays open": ("n.status in ('pending', 'queued', 'waiting'", "n.status in ('queued', 'waiting'"),
    "only the first line is found": (
        "> (l.workspace_id, l.workflow_id, l.key, l.person)",
        "> (l.workspace_id, l.workflow_id, l.key, null)",
    ),
}


@pytest.mark.mutants
@pytest.mark.timeout(600)
@pytest.mark.parametrize("mutant", MUTANTS)
def test_the_model_of_limits_finds(mutant, sweeper):
    sound, broken = MUTANTS[mutant]
    text = ADMISSION.read_text()
    assert text.count(sound) == 1, "the mutant no longer fits the code"
    replace(text.replace(sound, broken))
    try:
        with pytest.raises(Exception):  # noqa: B017, PT011  # an assertion, or an error of PostgreSQL
            play_often(sweeper)
    finally:
        replace(text)


def play_often(sweeper: Sweeper) -> None:
    for seed in range(20):
        model = Limits(seed, sweeper)
        model.play(150)
        model.finish()
        ExecutionLimit.objects.all().delete()


def replace(text: str) -> None:
    """Put the functions of a file in place of those that the database has."""
    with web_connection.cursor() as cursor:
        cursor.execute(text.replace("create function", "create or replace function"))
