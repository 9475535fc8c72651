"""Runs for instants that have passed."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from django.db import transaction

from apps.core.audit import Verb, record
from apps.engine.errors import InvalidError
from apps.triggers.models import Schedule, ScheduleRun
from apps.triggers.schedules import waiting
from apps.triggers.schedules.actions import database_now
from apps.triggers.schedules.firing import run_of
from apps.triggers.schedules.starting import Wanted, start_all
from apps.triggers.schedules.timetables import timetable_of
from apps.triggers.timing.errors import InvalidScheduleError
from apps.triggers.timing.timetable import EARLIEST

MAX_BACKFILL = 1000
_OF_MANY = (Schedule.Kind.CRON, Schedule.Kind.INTERVAL)
State = ScheduleRun.State


class TooManyRunsError(InvalidError):
    """The range holds more instants than one call fills; details: {"limit": int, "first_left_out": str}."""

    code = "too_many_runs"


def backfill(*, schedule: Schedule, first: datetime, last: datetime, one_at_a_time: bool) -> list[ScheduleRun]:
    """Make runs for the instants from `first` to `last`, both included, that have none. Returns these runs, in order of time.

    one_at_a_time   each starts when the one before has ended; else all start now
    They count for neither run_count nor max_runs. Raises InvalidScheduleError, TooManyRunsError.
    """
    instants = _instants(schedule, first, last)
    with transaction.atomic():
        schedule = Schedule.objects.select_for_update(of=("self",)).select_related("workflow__published_version").get(pk=schedule.pk)
        known = set(ScheduleRun.objects.filter(schedule=schedule, scheduled_for__in=instants).values_list("scheduled_for", flat=True))
        runs = _made(schedule, [instant for instant in instants if instant not in known], one_at_a_time=one_at_a_time)
        ScheduleRun.objects.bulk_create(runs)
        record(Verb.SCHEDULE_BACKFILLED, schedule, after={"from": first, "to": last, "runs": len(runs)})
    ids = [run.pk for run in runs]
    if one_at_a_time and runs:
        waiting.advance([schedule.pk])
    return _again(ids)


def _instants(schedule: Schedule, first: datetime, last: datetime) -> list[datetime]:
    if schedule.kind not in _OF_MANY:
        raise InvalidScheduleError(f"A schedule of the kind {schedule.kind} has nothing to fill in.", pointer="/kind")
    if last > database_now():
        raise InvalidScheduleError(f"Expected an end in the past, found {last.isoformat()}.", pointer="/to")
    if last < first:
        raise InvalidScheduleError(f"Expected an end after the start, found {last.isoformat()}.", pointer="/to")
    begin = max(first, EARLIEST).astimezone(UTC)
    if begin.microsecond:
        begin = begin.replace(microsecond=0) + timedelta(seconds=1)
    found = timetable_of(schedule).between(begin, last, most=MAX_BACKFILL + 1)
    if len(found) > MAX_BACKFILL:
        message = f"Expected a range of at most {MAX_BACKFILL} runs; there are more, the next from {found[-1].isoformat()} on."
        raise TooManyRunsError(message, limit=MAX_BACKFILL, first_left_out=found[-1].isoformat())
    return found


def _made(schedule: Schedule, instants: list[datetime], *, one_at_a_time: bool) -> list[ScheduleRun]:
    if one_at_a_time:
        common = {"workspace_id": schedule.workspace_id, "schedule": schedule, "state": State.WAITING}
        runs = [ScheduleRun(**common, scheduled_for=instant) for instant in instants]
    else:
        outcomes = start_all(Wanted(schedule, instant, 0) for instant in instants)
        runs = sorted(map(run_of, outcomes), key=lambda run: run.scheduled_for)
    for run in runs:
        run.origin = ScheduleRun.Origin.BACKFILL
    return runs


def _again(ids: list[UUID]) -> list[ScheduleRun]:
    return list(ScheduleRun.objects.filter(pk__in=ids).order_by("scheduled_for"))
