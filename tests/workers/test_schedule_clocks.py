"""Schedules, and what happens to those who fire them: frozen processes, and clocks that jump."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connection, connections

from apps.executions.models import Execution
from apps.triggers.models import Schedule, ScheduleAlert, ScheduleRun
from apps.triggers.schedules import firing
from apps.triggers.schedules.actions import database_now
from apps.triggers.schedules.firing import fire_batch, fire_due
from apps.triggers.schedules.patience import FIRST_SECONDS, patience
from tests.chaos.processes import REPOSITORY, wait_until
from tests.workers.schedules import make, make_due
from workers.beat import Lead

pytestmark = pytest.mark.django_db(transaction=True)

HOURLY = {"kind": "interval", "cron_expr": None, "interval_seconds": 3600}


def test_what_a_frozen_process_has_locked_is_fired_by_another(monkeypatch):
    schedule = make(**HOURLY)
    make_due(schedule)
    monkeypatch.setattr(patience, "seconds", 0.2)
    planned, thawed, fired, fire = threading.Event(), threading.Event(), [], firing._fire

    def fire_after_a_freeze(fires):
        if threading.current_thread() is frozen and not planned.is_set():
            planned.set()
            thawed.wait(120)
        fire(fires)

    def work():
        try:
            fired.append(fire_due())
        finally:
            connections.close_all()

    monkeypatch.setattr(firing, "_fire", fire_after_a_freeze)
    frozen = threading.Thread(target=work)
    frozen.start()
    assert planned.wait(60)
    wait_until(lambda: fire_due() == 1, within_seconds=60, what="another one fires it")
    thawed.set()
    frozen.join(60)

    assert fired == [0], "it begins anew, and finds nothing left to do"
    assert (Execution.objects.count(), ScheduleRun.objects.count(), Schedule.objects.get().run_count) == (1, 1, 1)
    assert patience.seconds > FIRST_SECONDS, "it might have been at work all the time"
    make_due(schedule)
    assert fire_due() == 1


def test_a_frozen_beat_leads_no_longer_than_it_may_be_silent(monkeypatch):
    monkeypatch.setattr("workers.beat._OPTIONS", "-c idle_session_timeout=200ms")
    frozen, other = Lead(), Lead()
    try:
        assert frozen.hold()
        wait_until(other.hold, within_seconds=60, what="another one leads")
        assert not frozen.hold()
    finally:
        frozen.drop()
        other.drop()


# Functions before PostgreSQL's own on the search path: all statements of this connection that ask for the time ask these.
_JUMPED = """
create schema jumped;
create function jumped.now() returns timestamptz language sql as
    $$ select pg_catalog.clock_timestamp() + current_setting('jumped.by')::interval $$;
create function jumped.statement_timestamp() returns timestamptz language sql as $$ select jumped.now() $$;
create function jumped.clock_timestamp() returns timestamptz language sql as $$ select jumped.now() $$;
"""


@contextmanager
def jumping_clock() -> Iterator[callable]:
    """Gives a function that sets how far the clock of the database, as this connection sees it, is from the real one."""
    with connection.cursor() as cursor:
        cursor.execute(_JUMPED)
        cursor.execute("set search_path to jumped, pg_catalog, public")
        try:
            yield lambda by: cursor.execute("select set_config('jumped.by', %s, false)", [f"{by.total_seconds()} s"])
        finally:
            cursor.execute("reset search_path; drop schema jumped cascade")


def five_minutely(**fields) -> Schedule:
    """Its instants lie two and a half minutes before and after this moment, and so on."""
    schedule = make(**{**HOURLY, "interval_seconds": 300, "grace_seconds": 300}, **fields)
    anchor = (database_now() - timedelta(seconds=150)).replace(microsecond=0)
    following = anchor + timedelta(seconds=300)
    Schedule.objects.filter(pk=schedule.pk).update(anchor_at=anchor, next_run_time=following, next_fire_at=following)
    schedule.refresh_from_db()
    return schedule


def started(schedule: Schedule) -> list[int]:
    """Which instants have an execution, numbered from the anchor."""
    found = ScheduleRun.objects.filter(schedule=schedule, execution__isnull=False).order_by("scheduled_for")
    return [int((at - schedule.anchor_at).total_seconds()) // 300 for at in found.values_list("scheduled_for", flat=True)]


FORWARD = timedelta(minutes=10)


@pytest.mark.parametrize(("rule", "expected"), [("skip", [2]), ("fire_once", [2]), ("catch_up", [1, 2])])
def test_the_clock_of_the_database_jumps_forward_and_comes_back(rule, expected):
    schedule = five_minutely(misfire=rule, catch_up_count=5)
    with jumping_clock() as jump:
        jump(timedelta())
        assert fire_batch() == 0
        jump(FORWARD)
        assert (fire_batch(), fire_batch()) == (1, 0)
        assert started(schedule) == expected
        assert [(alert.kind, alert.count) for alert in ScheduleAlert.objects.all()] == [("missed", 1)]

        jump(timedelta())
        assert fire_batch() == 0, "what has been fired is not fired again when its time comes"
        jump(FORWARD + timedelta(minutes=5))
        assert (fire_batch(), fire_batch()) == (1, 0)
    assert started(schedule) == [*expected, 3]
    assert Execution.objects.count() == len(expected) + 1


def test_the_clock_of_the_database_jumps_back():
    schedule = five_minutely()
    with jumping_clock() as jump:
        jump(timedelta(minutes=5))
        assert (fire_batch(), started(schedule)) == (1, [1])
        for minutes in (-5, 0, 5):
            jump(timedelta(minutes=minutes))
            assert fire_batch() == 0, "it is late by no more than the jump, and nothing is fired twice"
        jump(timedelta(minutes=10))
        assert fire_batch() == 1
    assert started(schedule) == [1, 2]
    assert not ScheduleAlert.objects.exists()


@pytest.mark.parametrize("off_by", [3600, -3600])
def test_the_clock_of_a_process_does_not_matter(monkeypatch, off_by):
    schedule, later = make(**HOURLY), make(**HOURLY)
    make_due(schedule)
    real, real_ns = time.time, time.time_ns
    monkeypatch.setattr(time, "time", lambda: real() + off_by)
    monkeypatch.setattr(time, "time_ns", lambda: real_ns() + off_by * 10**9)
    assert fire_due() == 1
    assert ScheduleRun.objects.get().schedule == schedule
    later.refresh_from_db()
    assert later.run_count == 0


def test_nothing_that_fires_asks_the_clock_of_its_process():
    files = [*(REPOSITORY / "apps/triggers").rglob("*.py"), *(REPOSITORY / "workers" / name for name in ("clock.py", "alerts.py"))]
    asking = ("datetime.now", "timezone.now", "time.time", "utcnow", "today()")
    assert len(files) > 20
    assert [(Path(file).name, words) for file in files for words in asking if words in file.read_text()] == []
