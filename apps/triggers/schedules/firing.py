"""Firing what is due. Any number of processes do it at once.

A batch of due schedules is locked, passing over those that somebody else holds; their executions, their runs and their next instants are
written in the same transaction. So an instant is fired once, or the transaction is undone and the next one fires it. Behind that stand
two unique keys, of the run and of the execution, for the day on which a backup is restored.
"""

import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import Count, Prefetch
from django.db.models.functions import Now

from apps.executions.connection import fetch
from apps.triggers.models import Schedule, ScheduleRun
from apps.triggers.schedules import alerts, waiting
from apps.triggers.schedules.overlap import Decision, decide
from apps.triggers.schedules.patience import patience
from apps.triggers.schedules.starting import Outcome, Wanted, failed, start_all
from apps.triggers.schedules.timetables import timetable_of
from apps.triggers.timing.misfire import Due, Misfire, find_due
from apps.triggers.timing.timetable import Timetable
from apps.workflows.models import Workflow

log = logging.getLogger(__name__)

# So small that the first of a thousand are at the workers while the last are still being started.
BATCH = 100
AFTER_FAULT = timedelta(hours=1)
State = ScheduleRun.State
_OF_WORKFLOW = (
    *("name", "workspace", "archived_at", "published_version"),
    *(f"published_version__{name}" for name in ("workspace", "workflow", "start")),
)
_UNTIL_NEXT = """
select extract(epoch from s.next_fire_at - clock_timestamp())::float8 as seconds from schedule s
 where s.next_fire_at is not null order by s.next_fire_at limit 1
"""
_ADVANCE = """
update schedule s set next_run_time = v.next_run_time, next_fire_at = v.next_fire_at, run_count = s.run_count + v.runs,
                      last_run_time = coalesce(v.last_run_time, s.last_run_time)
  from unnest(%s::uuid[], %s::timestamptz[], %s::timestamptz[], %s::bigint[], %s::timestamptz[])
       as v(id, next_run_time, next_fire_at, runs, last_run_time)
 where s.id = v.id
"""


@dataclass(frozen=True, slots=True)
class _Fire:
    """What is done about one schedule that is due.

    fault   why nothing can be said of when it fires
    """

    schedule: Schedule
    due: Due
    decision: Decision
    next_fire_at: datetime | None
    fault: Outcome | None = None


def seconds_until_next() -> float | None:
    """How long until anything is due, below 0 where it is; None: nothing ever is. One look at an index."""
    rows = fetch(_UNTIL_NEXT, {})
    return rows[0]["seconds"] if rows else None


def fire_due() -> int:
    """Fire all that is due; returns how many schedules that were."""
    seconds = seconds_until_next()
    return fire_batches() if seconds is not None and seconds <= 0 else 0


def fire_batches() -> int:
    """As `fire_due`, where something is known to be due."""
    fired = 0
    try:
        while count := fire_batch():
            fired += count
            if count < BATCH:
                break
    finally:
        if not connection.in_atomic_block:
            connection.close()
    return fired


def fire_batch() -> int:
    """Fire up to BATCH schedules in one transaction; returns how many. Those that have to wait for others are looked at after it."""
    fires = patience.run(_fire_claimed)
    if waits := [fire.schedule.pk for fire in fires if fire.decision.wait]:
        waiting.advance(waits)
    return len(fires)


def _fire_claimed() -> list[_Fire]:
    rows = _claim()
    if not rows:
        return []
    now: datetime = rows[0].now  # type: ignore[attr-defined]  # read with the rows
    open_ones, queues = _busy(rows)
    fires = [_plan(row, now, is_open=row.pk in open_ones, waiting=queues.get(row.pk, 0)) for row in rows]
    _fire(fires)
    return fires


def _claim() -> list[Schedule]:
    due = Schedule.objects.filter(next_fire_at__lte=Now()).order_by("next_fire_at", "workflow_id").annotate(now=Now())
    # Many of one workflow are due at once: it is read once for all of them.
    workflows = Workflow.objects.select_related("published_version").only(*_OF_WORKFLOW)
    return list(due.select_for_update(skip_locked=True).prefetch_related(Prefetch("workflow", workflows), "calendars")[:BATCH])


def _busy(rows: Sequence[Schedule]) -> tuple[set[UUID], dict[UUID, int]]:
    """Which schedules have an execution that has not ended, and how many runs wait for one; asked only where their rule minds."""
    minding = [row.pk for row in rows if row.overlap != Schedule.Overlap.ALLOW]
    if not minding:
        return set(), {}
    queues = ScheduleRun.objects.filter(schedule__in=minding, state=State.WAITING).values_list("schedule").annotate(Count("id"))
    return set(waiting.open_executions(minding)), dict(queues.order_by())


def _plan(schedule: Schedule, now: datetime, *, is_open: bool, waiting: int) -> _Fire:
    first = schedule.next_run_time
    assert first is not None, "what is due has an instant"
    try:
        timetable = timetable_of(schedule)
        due = find_due(
            timetable,
            first=first,
            now=now,
            grace=timedelta(seconds=schedule.grace_seconds),
            misfire=Misfire(schedule.misfire),
            catch_up=schedule.catch_up_count,
        )
    except Exception as error:
        # Such as of a zone that an update has dropped: it was right when it was saved. The others of the batch go on, it is tried again.
        log.exception("Schedule %s cannot go on.", schedule.pk)
        fault = failed(Wanted(schedule, first, 0), error)
        return _Fire(schedule, Due((), (), first), Decision(), now + AFTER_FAULT, fault)
    if schedule.max_runs:
        due = replace(due, start=due.start[: schedule.max_runs - schedule.run_count])
    decision = decide(schedule.overlap, due.start, is_open=is_open, waiting=waiting)
    taken = len(decision.start) + len(decision.wait)
    is_over = bool(schedule.max_runs) and schedule.run_count + taken >= schedule.max_runs
    return _Fire(schedule, due, decision, None if is_over else _next_fire(timetable, due.next))


def _next_fire(timetable: Timetable, instant: datetime | None) -> datetime | None:
    return None if instant is None else timetable.fires_at(instant)


def _fire(fires: Sequence[_Fire]) -> None:
    outcomes = [*start_all(_wanted(fires)), *(fire.fault for fire in fires if fire.fault)]
    _drop_waiting([fire.schedule.pk for fire in fires if fire.decision.drops_waiting])
    ScheduleRun.objects.bulk_create([*map(run_of, outcomes), *_kept_runs(fires)], ignore_conflicts=True)
    _advance(fires)
    alerts.close_by_runs(outcome.wanted.schedule.pk for outcome in outcomes if outcome.execution_id)
    alerts.raise_failed(outcomes)
    alerts.raise_missed({fire.schedule: fire.due.missed for fire in fires if fire.due.missed})
    _forget_one_offs(fires, outcomes)


def _wanted(fires: Iterable[_Fire]) -> list[Wanted]:
    return [
        Wanted(fire.schedule, instant, fire.schedule.run_count + place)
        for fire in fires
        for place, instant in enumerate(fire.decision.start, 1)
    ]


def run_of(outcome: Outcome) -> ScheduleRun:
    """The row of a run that was started, or could not be."""
    wanted = outcome.wanted
    late_at = wanted.scheduled_for + timedelta(seconds=wanted.schedule.grace_seconds)
    return ScheduleRun(
        workspace_id=wanted.schedule.workspace_id,
        schedule=wanted.schedule,
        scheduled_for=wanted.scheduled_for,
        number=wanted.number,
        state=State.STARTED if outcome.execution_id else State.FAILED,
        execution_id=outcome.execution_id,
        error=outcome.error,
        watched_until=None if outcome.has_begun or not wanted.number else late_at,
    )


def _kept_runs(fires: Iterable[_Fire]) -> Iterable[ScheduleRun]:
    for fire in fires:
        schedule, begun = fire.schedule, len(fire.decision.start)
        common: Mapping[str, Any] = {"workspace_id": schedule.workspace_id, "schedule": schedule}
        late = timedelta(seconds=schedule.grace_seconds)
        for place, instant in enumerate(fire.decision.wait, 1):
            number = schedule.run_count + begun + place
            yield ScheduleRun(**common, scheduled_for=instant, state=State.WAITING, number=number, watched_until=instant + late)
        for instant, reason in fire.decision.skip.items():
            yield ScheduleRun(**common, scheduled_for=instant, state=State.SKIPPED, reason=reason)


def _drop_waiting(schedule_ids: Sequence[UUID]) -> None:
    if schedule_ids:
        found = ScheduleRun.objects.filter(schedule__in=schedule_ids, state=State.WAITING)
        found.update(state=State.SKIPPED, reason="superseded", watched_until=None)


def _advance(fires: Sequence[_Fire]) -> None:
    taken = [[*fire.decision.start, *fire.decision.wait] for fire in fires]
    rows = [
        (
            fire.schedule.pk,
            fire.due.next if fire.next_fire_at else None,
            fire.next_fire_at,
            len(instants),
            max(instants, default=None),
        )
        for fire, instants in zip(fires, taken, strict=True)
    ]
    with connection.cursor() as cursor:
        cursor.execute(_ADVANCE, [list(column) for column in zip(*rows, strict=True)])


def _forget_one_offs(fires: Sequence[_Fire], outcomes: Sequence[Outcome]) -> None:
    """A schedule for one instant is deleted once it ran. One that failed, or was missed, stays to be seen."""
    begun: dict[UUID, int] = defaultdict(int)
    for outcome in outcomes:
        begun[outcome.wanted.schedule.pk] += outcome.execution_id is not None
    done = [fire.schedule.pk for fire in fires if fire.schedule.kind == Schedule.Kind.ONCE and begun[fire.schedule.pk]]
    if done:
        Schedule.objects.filter(pk__in=done).delete()
