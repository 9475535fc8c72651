"""What people do to schedules: one function a verb."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from apps.accounts.models import User
from apps.core.audit import Verb, record
from apps.engine.errors import ConflictError, InvalidError
from apps.engine.json_values import check_json
from apps.executions.actions import check_input
from apps.triggers.models import Schedule, ScheduleCalendar, ScheduleRun
from apps.triggers.schedules.inputs import input_of
from apps.triggers.schedules.timetables import TELLING, check, timetable_of
from apps.triggers.timing.exceptions import Exceptions, parse_exceptions
from apps.triggers.timing.timetable import Timetable
from apps.workflows.models import Workflow

MAX_SCHEDULES = 100  # a workflow
MAX_CALENDARS = 20  # a schedule
_SHOWN = (
    "name",
    "kind",
    *TELLING.values(),
    *(
        "timezone",
        "start_at",
        "end_at",
        "exceptions",
        "jitter_seconds",
        "misfire",
        "catch_up_count",
        "overlap",
        "grace_seconds",
        "max_runs",
    ),
)
# Whoever changes one of these means another timetable: it counts from now on.
_TIMING = frozenset({"kind", *TELLING.values(), "timezone", "start_at", "end_at", "exceptions", "jitter_seconds", "calendars"}) | {
    "delay_factor",
    "max_delay_seconds",
    "max_runs",
}


class TooManySchedulesError(ConflictError):
    code = "too_many_schedules"


class MaxRunsReachedError(ConflictError):
    """It has run as often as max_runs allows; details: {"max_runs": int, "run_count": int}."""

    code = "max_runs_reached"


class UnknownCalendarError(InvalidError):
    """A calendar that the workspace does not have; details: {"pointer": str}."""

    code = "unknown_calendar"


def database_now() -> datetime:
    with connection.cursor() as cursor:
        cursor.execute("select clock_timestamp()")
        now: datetime = cursor.fetchone()[0]
    return now


@transaction.atomic
def create_schedule(*, workflow: Workflow, user: User, calendars: Sequence[UUID] = (), **fields: Any) -> Schedule:
    """fields   columns of Schedule, without those that count

    Raises InvalidScheduleError, InvalidScheduleInputError, InvalidInputError, UnknownCalendarError, TooManySchedulesError.
    """
    now = database_now()
    # Of two at once the second waits here, so that both count.
    Workflow.objects.select_for_update(of=("self",), no_key=True).get(pk=workflow.pk)
    if Schedule.objects.filter(workflow=workflow).count() >= MAX_SCHEDULES:
        raise TooManySchedulesError(f"A workflow has at most {MAX_SCHEDULES} schedules.", limit=MAX_SCHEDULES)
    schedule = draft(workflow=workflow, user=user, anchor_at=now, **fields)
    chosen = _calendars(workflow.workspace_id, calendars)
    timetable = check(schedule, _days(schedule, chosen), now=now)
    check_runs(schedule, timetable, now)
    _set_next(schedule, timetable, now)
    schedule.save(force_insert=True)
    schedule.calendars.set(chosen)
    record(Verb.SCHEDULE_CREATED, schedule, after=_shown(schedule))
    return schedule


def draft(*, workflow: Workflow, user: User | None, anchor_at: datetime, **fields: Any) -> Schedule:
    """A schedule that is not saved."""
    if fields.get("kind") == Schedule.Kind.DELAY and fields.get("max_runs") is None:
        fields["max_runs"] = 1
    if fields.get("kind") == Schedule.Kind.INTERVAL:
        # Instants are whole seconds: counted from the next one, the first of them would be that second, and not an interval away.
        anchor_at = anchor_at.replace(microsecond=0)
    given = {name: value for name, value in fields.items() if value is not None}
    return Schedule(workspace_id=workflow.workspace_id, workflow=workflow, user=user, anchor_at=anchor_at, **given)


@transaction.atomic
def update_schedule(*, schedule: Schedule, changes: Mapping[str, Any]) -> Schedule:
    """changes   {column: value}, and {"calendars": ids}. With another kind, the columns of the old one empty themselves.

    Another timetable counts from now on; what was missed under the old one is not made up for. Raises as `create_schedule`, and
    MaxRunsReachedError.
    """
    schedule = _lock(schedule)
    before, now = _shown(schedule), database_now()
    if (kind := changes.get("kind", schedule.kind)) != schedule.kind:
        for other, column in TELLING.items():
            if other != kind:
                setattr(schedule, column, getattr(Schedule(), column))
    for name, value in changes.items():
        if name != "calendars":
            setattr(schedule, name, value)
    calendars = changes.get("calendars")
    chosen = list(schedule.calendars.all()) if calendars is None else _calendars(schedule.workspace_id, calendars)
    is_timing = bool(_TIMING & set(changes))
    timetable = check(schedule, _days(schedule, chosen), now=now, must_fire=is_timing and schedule.enabled)
    check_runs(schedule, timetable, now)
    if is_timing:
        if schedule.enabled or "max_runs" in changes:
            _check_runs_left(schedule)
        _set_next(schedule, timetable, now)
    schedule.save()
    if calendars is not None:
        schedule.calendars.set(chosen)
    if before != _shown(schedule) or calendars is not None or "input" in changes or "notify" in changes:
        record(Verb.SCHEDULE_UPDATED, schedule, before=before, after=_shown(schedule))
    return schedule


@transaction.atomic
def enable_schedule(*, schedule: Schedule) -> Schedule:
    """Let it fire from now on; what it missed meanwhile is not made up for. Raises MaxRunsReachedError, InvalidScheduleError."""
    schedule = _lock(schedule)
    _check_runs_left(schedule)
    now = database_now()
    was_enabled, schedule.enabled = schedule.enabled, True
    timetable = check(schedule, _days(schedule, list(schedule.calendars.all())), now=now)
    if not was_enabled:
        _set_next(schedule, timetable, now)
        schedule.save()
    record(Verb.SCHEDULE_ENABLED, schedule, before={"enabled": was_enabled}, after={"enabled": True})
    return schedule


@transaction.atomic
def disable_schedule(*, schedule: Schedule) -> Schedule:
    """Let it fire no more. Runs that wait for their turn are dropped; what runs goes on."""
    schedule = _lock(schedule)
    was_enabled, schedule.enabled = schedule.enabled, False
    schedule.next_run_time = schedule.next_fire_at = None
    schedule.save()
    waiting = ScheduleRun.objects.filter(schedule=schedule, state=ScheduleRun.State.WAITING)
    waiting.update(state=ScheduleRun.State.SKIPPED, reason="disabled", watched_until=None)
    record(Verb.SCHEDULE_DISABLED, schedule, before={"enabled": was_enabled}, after={"enabled": False})
    return schedule


@transaction.atomic
def delete_schedule(*, schedule: Schedule) -> None:
    """What runs goes on; the runs of the schedule are forgotten, not their executions."""
    schedule = _lock(schedule)
    record(Verb.SCHEDULE_DELETED, schedule, before=_shown(schedule))
    schedule.delete()


def check_timing(schedule: Schedule, calendars: Sequence[UUID], *, now: datetime) -> Timetable:
    """The timetable of a schedule that is not saved. Raises InvalidScheduleError, UnknownCalendarError."""
    chosen = _calendars(schedule.workspace_id, calendars) if calendars else []
    return check(schedule, _days(schedule, chosen), now=now)


def check_runs(schedule: Schedule, timetable: Timetable, now: datetime) -> None:
    """Raise where its next run could not be started: by its expressions, or by what the workflow asks for."""
    check_json(schedule.input)
    instant = timetable.next_after(now) or now
    resolved = input_of(schedule, instant, number=schedule.run_count + 1)
    if (version := schedule.workflow.published_version) is not None:
        check_input(version, resolved)


def recompute(schedules: Iterable[Schedule]) -> None:
    """Let the next instants follow a calendar that has changed; within the caller's transaction."""
    now = database_now()
    for schedule in schedules:
        _set_next(schedule, timetable_of(schedule), now)
        schedule.save(update_fields=["next_run_time", "next_fire_at"])


def _set_next(schedule: Schedule, timetable: Timetable, now: datetime) -> None:
    is_over = bool(schedule.max_runs) and schedule.run_count >= schedule.max_runs
    instant = timetable.next_after(now) if schedule.enabled and not is_over else None
    schedule.next_run_time = instant
    schedule.next_fire_at = None if instant is None else timetable.fires_at(instant)


def _check_runs_left(schedule: Schedule) -> None:
    if schedule.max_runs and schedule.run_count >= schedule.max_runs:
        message = f"It has run {schedule.run_count} times, and max_runs is {schedule.max_runs}: raise max_runs first."
        raise MaxRunsReachedError(message, max_runs=schedule.max_runs, run_count=schedule.run_count)


def _lock(schedule: Schedule) -> Schedule:
    found = Schedule.objects.select_for_update(of=("self",)).select_related("workflow__published_version")
    return found.get(pk=schedule.pk)


def _calendars(workspace_id: UUID, ids: Sequence[UUID]) -> list[ScheduleCalendar]:
    if len(ids) > MAX_CALENDARS:
        raise UnknownCalendarError(f"Expected at most {MAX_CALENDARS} calendars, found {len(ids)}.", pointer="/calendars")
    found = {row.pk: row for row in ScheduleCalendar.objects.filter(workspace_id=workspace_id, pk__in=ids)}
    for index, calendar_id in enumerate(ids):
        if calendar_id not in found:
            raise UnknownCalendarError(f"The workspace has no calendar {calendar_id}.", pointer=f"/calendars/{index}")
    return list(found.values())


def _days(schedule: Schedule, calendars: Iterable[ScheduleCalendar]) -> Exceptions:
    days = parse_exceptions(schedule.exceptions, pointer="/exceptions")
    for calendar in calendars:
        days |= parse_exceptions(calendar.days, pointer="/calendars")
    return days


def _shown(schedule: Schedule) -> dict[str, Any]:
    return {name: getattr(schedule, name) for name in _SHOWN}
