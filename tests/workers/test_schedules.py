"""Schedules are fired: once, by any number of beats, by their rules."""

import threading
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from celery import current_app
from django.core import mail
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext
from django_celery_beat.models import IntervalSchedule, PeriodicTask

from apps.executions import handoff
from apps.executions.actions import cancel_execution
from apps.executions.connection import fetch
from apps.executions.models import Execution
from apps.notifications.delivering import deliver
from apps.notifications.models import Delivery
from apps.triggers.models import Schedule, ScheduleAlert, ScheduleRun
from apps.triggers.schedules import firing, zone_rules
from apps.triggers.schedules.actions import database_now, disable_schedule, enable_schedule
from apps.triggers.schedules.firing import fire_batch, fire_due, seconds_until_next
from apps.triggers.schedules.waiting import advance_waiting, find_late
from tests.chaos.processes import wait_until
from tests.factories import make_version
from tests.workers.driving import drive
from tests.workers.schedules import make, make_due, runs, turn_back
from workers import clock
from workers.alerts import tell_alerts
from workers.beat import STANDBY_SECONDS, Lead, Scheduler

pytestmark = pytest.mark.django_db(transaction=True)

WAITS = {
    "name": "waits",
    "nodes": [{"key": "start", "type": "trigger.manual"}, {"key": "wait", "type": "control.delay", "config": {"seconds": 3600}}],
    "edges": [{"source": "start", "target": "wait"}],
}


def test_what_is_due_is_started_once_with_its_input_and_counted():
    version = make_version(
        {"name": "dated", "inputs": {"day": "string", "n": "number"}, "nodes": [{"key": "start", "type": "trigger.manual"}]}
    )
    schedule = make(
        version.workflow, timezone="Asia/Tokyo", input={"day": "${schedule.local_date}", "n": "${schedule.run_number}"}, grace_seconds=3600
    )
    [instant] = turn_back(schedule, 1)

    assert fire_due() == 1
    assert fire_due() == 0

    execution = Execution.objects.get()
    assert (execution.trigger, execution.priority, execution.started_by) == ("schedule", "normal", None)
    assert execution.input == {"day": (instant + timedelta(hours=9)).date().isoformat(), "n": 1}
    assert execution.idempotency_key == f"sched:{schedule.pk}:{instant:%Y-%m-%dT%H:%M:%SZ}"
    schedule.refresh_from_db()
    assert (schedule.run_count, schedule.last_run_time, schedule.next_run_time) == (1, instant, instant + timedelta(minutes=1))
    assert runs(schedule) == [(instant, "started")]
    assert drive(execution.id).status == "success"


@pytest.mark.parametrize(
    ("rule", "n", "expected"), [("skip", 1, 0), ("fire_once", 1, 1), ("catch_up", 2, 2), ("catch_up", 9, 3)], ids=["skip", "once", "2", "9"]
)
def test_beat_stopped_across_three_ticks(rule, n, expected):
    schedule = make(misfire=rule, catch_up_count=n, grace_seconds=1)
    instants = [instant - timedelta(minutes=1) for instant in turn_back(schedule, 3)]
    Schedule.objects.update(next_run_time=instants[0], next_fire_at=instants[0], end_at=instants[-1])
    fire_due()

    assert runs(schedule) == [(instant, "started") for instant in instants[3 - expected :]]
    assert Execution.objects.count() == expected
    alert = ScheduleAlert.objects.get()
    assert (alert.kind, alert.count, alert.first_for, alert.last_for) == ("missed", 3, instants[0], instants[-1])


def test_a_run_in_time_closes_the_alert():
    schedule = make(kind="interval", cron_expr=None, interval_seconds=3600, grace_seconds=600)
    make_due(schedule)
    ScheduleAlert.objects.create(
        workspace_id=schedule.workspace_id,
        workflow_id=schedule.workflow_id,
        schedule=schedule,
        kind="missed",
        first_for=database_now(),
        last_for=database_now(),
    )
    fire_due()
    assert ScheduleAlert.objects.get().closed_at is not None


def in_threads(count: int, work) -> list:
    done, faults = [], []
    barrier = threading.Barrier(count)

    def each():
        try:
            barrier.wait(20)
            done.append(work())
        except Exception as error:
            faults.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=each) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert faults == []
    return done


def test_three_beats_at_once_fire_everything_and_nothing_twice(monkeypatch):
    monkeypatch.setattr(firing, "BATCH", 7)
    workflow = make_version().workflow
    hourly = {"kind": "interval", "cron_expr": None, "interval_seconds": 3600}
    schedules = [make(workflow, **hourly, name=str(number)) for number in range(60)]
    make_due(*schedules)

    def until_nothing_is_due() -> int:
        fired = 0
        while (seconds := seconds_until_next()) is not None and seconds <= 0:
            fired += fire_batch()
        return fired

    assert sum(in_threads(3, until_nothing_is_due)) == 60
    assert Execution.objects.count() == ScheduleRun.objects.count() == 60
    assert set(Schedule.objects.values_list("run_count", flat=True)) == {1}


def test_a_restored_backup_starts_nothing_twice():
    schedule = make(grace_seconds=3600)
    turn_back(schedule, 2)
    fire_due()
    ScheduleRun.objects.all().delete()
    turn_back(schedule, 2)
    fire_due()
    assert Execution.objects.count() == 2
    assert set(ScheduleRun.objects.values_list("execution", flat=True)) == set(Execution.objects.values_list("pk", flat=True))


def test_a_crash_before_the_commit_leaves_everything_due(monkeypatch):
    schedule = make(grace_seconds=3600)
    turn_back(schedule, 1)
    monkeypatch.setattr(firing, "_advance", lambda fires: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        fire_due()
    assert (Execution.objects.count(), ScheduleRun.objects.count()) == (0, 0)
    monkeypatch.undo()
    assert fire_due() == 1
    assert Execution.objects.count() == 1


def test_one_that_cannot_start_is_told_of_and_holds_up_no_other():
    unpublished = make_version(is_published=False).workflow
    asks = make_version({"name": "asks", "inputs": {"n": "number"}, "nodes": [{"key": "start", "type": "trigger.manual"}]}).workflow
    good = make_version().workflow
    made = [make(unpublished), make(asks, input={"n": 1}), make(asks, input={"n": 2}), make(good)]
    Schedule.objects.filter(pk=made[1].pk).update(input={"n": "text"})
    make_due(*made)
    Schedule.objects.update(grace_seconds=3600)
    fire_due()

    assert [ScheduleRun.objects.get(schedule=one).state for one in made] == ["failed", "failed", "started", "started"]
    alerts = {alert.schedule_id: alert.error["code"] for alert in ScheduleAlert.objects.filter(kind="failed")}
    assert alerts == {made[0].pk: "workflow_not_published", made[1].pk: "invalid_input"}


def test_a_zone_that_is_gone_stops_one_schedule_and_no_other():
    broken, good = make(grace_seconds=3600), make(grace_seconds=3600)
    Schedule.objects.filter(pk=broken.pk).update(timezone="Europe/Atlantis")
    make_due(broken, good)
    fire_due()
    assert ScheduleRun.objects.get(schedule=good).state == "started"
    assert ScheduleAlert.objects.get().error["code"] == "invalid_schedule"
    broken.refresh_from_db()
    assert broken.next_fire_at > database_now() + timedelta(minutes=50)


def test_max_runs_ends_it():
    schedule = make(max_runs=2, misfire="catch_up", catch_up_count=5, grace_seconds=1)
    turn_back(schedule, 5)
    fire_due()
    schedule.refresh_from_db()
    assert (schedule.run_count, schedule.next_run_time, schedule.status) == (2, None, "ended")
    assert Execution.objects.count() == 2


def test_a_one_off_is_deleted_once_it_ran_and_kept_when_it_did_not():
    soon = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    once = {"kind": "once", "cron_expr": None, "run_at": soon}
    ran, missed = make(**once, grace_seconds=3600), make(**once, misfire="skip", grace_seconds=1)
    past = database_now().replace(microsecond=0) - timedelta(minutes=2)
    Schedule.objects.all().update(next_run_time=past, next_fire_at=past, run_at=past.isoformat())
    fire_due()

    assert not Schedule.objects.filter(pk=ran.pk).exists()
    missed.refresh_from_db()
    assert missed.status == "ended"
    assert Execution.objects.count() == 1
    assert ScheduleAlert.objects.get().schedule == missed


def test_an_interval_fires_for_the_first_time_once_it_has_passed():
    schedule = make(kind="interval", cron_expr=None, interval_seconds=3600)
    assert schedule.next_run_time == schedule.anchor_at + timedelta(hours=1)
    assert schedule.created_at - schedule.anchor_at < timedelta(minutes=1)
    at_once = make(kind="interval", cron_expr=None, interval_seconds=3600, start_at=database_now() + timedelta(minutes=10))
    assert timedelta(0) <= at_once.next_run_time - at_once.start_at < timedelta(seconds=1), "start_at is one of its instants"


def test_a_delay_runs_once_unless_it_is_to_run_again():
    schedule = make(kind="delay", cron_expr=None, delay_seconds=10, delay_factor=2.0)
    assert (schedule.max_runs, schedule.next_run_time - schedule.anchor_at >= timedelta(seconds=10)) == (1, True)
    again = make(kind="delay", cron_expr=None, delay_seconds=10, delay_factor=2.0, max_runs=3, grace_seconds=3600)
    begun = (database_now() - timedelta(seconds=31)).replace(microsecond=0)
    Schedule.objects.filter(pk=again.pk).update(anchor_at=begun, next_run_time=begun + timedelta(seconds=10), next_fire_at=begun)
    fire_due()
    again.refresh_from_db()
    assert (again.run_count, again.next_run_time - begun) == (2, timedelta(seconds=70))


OVERLAPS = [
    ("allow", ["started", "started"], 2),
    ("skip", ["started", "skipped"], 1),
    ("queue", ["started", "waiting"], 1),
    ("cancel_previous", ["started", "started"], 2),
]


@pytest.mark.parametrize(("rule", "states", "executions"), OVERLAPS)
def test_a_run_meets_one_that_has_not_ended(rule, states, executions):
    schedule = make(make_version(WAITS).workflow, kind="interval", cron_expr=None, interval_seconds=3600, overlap=rule, grace_seconds=3600)
    first = fire_at(schedule, minutes_ago=10)
    drive(first, rounds=2)
    fire_at(schedule, minutes_ago=5)

    assert [state for _, state in runs(schedule)] == states
    assert Execution.objects.count() == executions
    assert Execution.objects.get(pk=first).status == ("cancelled" if rule == "cancel_previous" else "running")


def fire_at(schedule: Schedule, *, minutes_ago: int) -> UUID:
    """Fire for this instant alone; returns the newest execution."""
    instant = (database_now() - timedelta(minutes=minutes_ago)).replace(microsecond=0)
    Schedule.objects.filter(pk=schedule.pk).update(anchor_at=instant, next_run_time=instant, next_fire_at=instant)
    fire_due()
    return Execution.objects.latest("created_at").pk


def test_what_waits_starts_in_order_as_each_before_it_ends():
    schedule = make(
        make_version(WAITS).workflow, kind="interval", cron_expr=None, interval_seconds=3600, overlap="queue", grace_seconds=3600
    )
    first = fire_at(schedule, minutes_ago=30)
    for minutes_ago in (20, 10):
        fire_at(schedule, minutes_ago=minutes_ago)
    assert advance_waiting() == 0
    cancel_execution(execution_id=first)
    assert advance_waiting() == 1
    assert [state for _, state in runs(schedule)] == ["started", "started", "waiting"]
    assert advance_waiting() == 0
    cancel_execution(execution_id=Execution.objects.latest("created_at").pk)
    assert advance_waiting() == 1
    assert [state for _, state in runs(schedule)] == ["started"] * 3
    schedule.refresh_from_db()
    assert schedule.run_count == 3
    assert ScheduleRun.objects.order_by("scheduled_for").values_list("number", flat=True)[2] == 3


def test_a_run_that_waits_too_long_is_late_and_told_of_once():
    schedule = make(make_version(WAITS).workflow, kind="interval", cron_expr=None, interval_seconds=3600, overlap="queue", grace_seconds=60)
    now = database_now()
    ScheduleRun.objects.create(
        workspace_id=schedule.workspace_id,
        schedule=schedule,
        scheduled_for=now - timedelta(hours=1),
        state="waiting",
        watched_until=now - timedelta(minutes=1),
    )
    assert find_late() == 1
    assert find_late() == 0
    assert [(alert.kind, alert.count) for alert in ScheduleAlert.objects.all()] == [("late", 1)]


def test_cancel_previous_keeps_the_newest_alone():
    schedule = make(
        make_version(WAITS).workflow, misfire="catch_up", catch_up_count=3, overlap="cancel_previous", grace_seconds=1, end_at=None
    )
    turn_back(schedule, 3)
    fire_due()
    assert [state for _, state in runs(schedule)] == ["skipped", "skipped", "started"]
    assert set(ScheduleRun.objects.exclude(reason="").values_list("reason", flat=True)) == {"superseded"}


def test_a_thousand_schedules_of_many_workflows_take_few_statements():
    workflows = [make_version().workflow for _ in range(4)]
    schedules = [
        make(workflow, kind="interval", cron_expr=None, interval_seconds=3600, name=str(n)) for n in range(15) for workflow in workflows
    ]
    make_due(*schedules)
    with CaptureQueriesContext(connection) as few:
        assert fire_batch() == 60
    # Four starts, and the claim, calendars, runs, advance and alerts whatever their number; a savepoint and the like beside.
    assert len(few) <= 4 + 12, [query["sql"][:80] for query in few]


def test_runs_of_many_workflows_share_messages_as_those_of_one_do(monkeypatch):
    workflows = [make_version().workflow for _ in range(4)]
    make_due(*[make(workflow, kind="interval", cron_expr=None, interval_seconds=3600) for _ in range(15) for workflow in workflows])
    sent, messages = [], handoff._messages

    def seen(ready, among):
        found = list(messages(ready, among))
        sent.extend(found)
        return found

    monkeypatch.setattr(handoff, "_messages", seen)
    assert fire_batch() == 60
    # Of sixty, seven share a message: of each workflow 7, 7 and 1.
    assert sorted(len(arguments[0]) for task, arguments, _ in sent if task == handoff.RUN_EXECUTIONS) == [1] * 4 + [7] * 8


def test_the_clock_sleeps_until_the_next_and_looks_at_an_index_alone():
    assert seconds_until_next() is None
    assert clock.tick() == clock.MAX_SLEEP_SECONDS
    schedule = make()
    assert 0 < seconds_until_next() <= 60
    make_due(schedule)
    assert clock.tick() > 0
    assert ScheduleRun.objects.count() == 1
    plan = fetch("explain " + firing._UNTIL_NEXT, {})
    assert "schedule_due" in str(plan)


def test_a_disabled_schedule_does_not_fire():
    schedule = make()
    turn_back(schedule, 3)
    disable_schedule(schedule=schedule)
    assert fire_due() == 0
    enable_schedule(schedule=schedule)
    assert fire_due() == 0, "what it missed meanwhile is not made up for"
    schedule.refresh_from_db()
    assert schedule.next_run_time > database_now()


def test_a_new_alert_is_told_to_whom_the_schedule_names_and_more_of_the_same_are_not():
    schedule = make(make_version(is_published=False).workflow, grace_seconds=3600, notify=["ada@example.com", "https://example.com/hook"])
    turn_back(schedule, 1)
    fire_due()
    assert tell_alerts() == 1
    assert tell_alerts() == 0
    told = {delivery.channel: delivery for delivery in Delivery.objects.all()}
    assert {channel: delivery.target for channel, delivery in told.items()} == {
        "email": "ada@example.com",
        "webhook": "https://example.com/hook",
    }
    payload = told["webhook"].payload
    assert (payload["type"], payload["data"]["error"]["code"]) == ("schedule.failed", "workflow_not_published")
    assert payload["data"]["schedule"] == {"id": str(schedule.pk), "name": "s"}
    assert deliver(told["email"].pk)
    assert "a scheduled run could not be started" in mail.outbox[0].subject

    ScheduleRun.objects.all().delete()
    turn_back(schedule, 1)
    fire_due()
    assert ScheduleAlert.objects.get().count == 2
    assert tell_alerts() == 0


def test_of_two_beats_one_sends_the_periodic_tasks_and_the_other_takes_over():
    first, second = Lead(), Lead()
    try:
        assert first.hold()
        assert not second.hold()
        assert first.hold()
        first._connection.close()
        wait_until(second.hold, within_seconds=60, what="the server has seen it go")
        assert not first.hold()
    finally:
        first.drop()
        second.drop()


def test_a_beat_that_takes_over_sends_a_task_of_the_operator_once():
    every = IntervalSchedule.objects.create(every=1, period="days")
    PeriodicTask.objects.create(name="mine", task="tests.nothing", interval=every, last_run_at=None, start_time=None)
    sent = []
    beats = [Scheduler(app=current_app._get_current_object(), lazy=True) for _ in range(2)]
    for beat in beats:
        beat.apply_async = lambda entry, **_: sent.append(entry.name)
        beat.apply_entry = lambda entry, producer=None: sent.append(entry.name)
    try:
        assert PeriodicTask.objects.update(last_run_at=database_now() - timedelta(days=2)) >= 1
        for _ in range(4):
            beats[0].tick()
            assert beats[1].tick() == STANDBY_SECONDS
        assert sent.count("mine") == 1
        beats[0].sync()
        beats[0]._lead.drop()
        wait_until(beats[1]._lead.hold, within_seconds=60, what="the server has seen it go")
        for _ in range(4):
            beats[1].tick()
        assert sent.count("mine") == 1
    finally:
        for beat in beats:
            beat._lead.drop()


def test_new_rules_of_a_zone_are_followed(monkeypatch):
    schedule = make(timezone="Europe/Berlin", cron_expr="0 6 * * *")
    zone_rules.follow()
    right = Schedule.objects.get().next_run_time
    Schedule.objects.update(next_run_time=right + timedelta(hours=1), next_fire_at=right + timedelta(hours=1))
    assert zone_rules.follow() == 0
    monkeypatch.setattr(zone_rules, "version", lambda: "2099z")
    assert zone_rules.follow() == 1
    schedule.refresh_from_db()
    assert schedule.next_run_time == schedule.next_fire_at == right
