"""Runs that wait until the one before has ended, by the rules `queue` and `cancel_previous`, and runs that have not begun in time."""

import logging
from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import partial
from uuid import UUID

from django.db import connection
from django.db.models.functions import Now

from apps.engine.errors import ConflictError
from apps.executions.actions import cancel_execution
from apps.executions.connection import fetch
from apps.executions.models import ENDED_EXECUTION
from apps.triggers.models import Schedule, ScheduleRun
from apps.triggers.schedules import alerts
from apps.triggers.schedules.patience import patience
from apps.triggers.schedules.starting import Wanted, start_all

log = logging.getLogger(__name__)

BATCH = 200
# An execution that has not ended is looked for among so many of the newest that a schedule has started.
LOOKED_AT = 100
State = ScheduleRun.State

_OPEN = """
select r.schedule_id, e.id, e.cancel_requested from unnest(%s::uuid[]) as wanted(id)
 cross join lateral (select n.schedule_id, n.execution_id from schedule_run n
                      where n.schedule_id = wanted.id and n.execution_id is not null order by n.id desc limit %s) r
  join execution e on e.id = r.execution_id
 where not e.status = any(%s)
"""
# Schedules whose turn it may be: nothing of them is open, or what is open is to be cancelled.
_READY = f"""
select w.schedule_id from (select distinct r.schedule_id from schedule_run r where r.state = 'waiting') w
  join schedule s on s.id = w.schedule_id
 where s.overlap = 'cancel_previous' or not exists (
     select from (select n.execution_id from schedule_run n
                   where n.schedule_id = w.schedule_id and n.execution_id is not null order by n.id desc limit {LOOKED_AT}) r
       join execution e on e.id = r.execution_id where not e.status = any(%(ended)s::text[]))
 limit %(limit)s
"""  # noqa: S608  # a number
_IS_ANY_LATE = "select exists (select from schedule_run where watched_until <= clock_timestamp()) as found"


def open_executions(schedule_ids: Sequence[UUID]) -> dict[UUID, list[tuple[UUID, bool]]]:
    """{schedule: [(execution that has not ended, whether it was told to stop)]}, without schedules that have none."""
    found: dict[UUID, list[tuple[UUID, bool]]] = defaultdict(list)
    with connection.cursor() as cursor:
        cursor.execute(_OPEN, [list(schedule_ids), LOOKED_AT, ENDED_EXECUTION])
        for schedule_id, execution_id, is_stopping in cursor.fetchall():
            found[schedule_id].append((execution_id, is_stopping))
    return dict(found)


def advance_waiting() -> int:
    """Start what has waited long enough; returns how many."""
    ready = [row["schedule_id"] for row in fetch(_READY, {"ended": ENDED_EXECUTION, "limit": BATCH})]
    try:
        return advance(ready) if ready else 0
    finally:
        if ready and not connection.in_atomic_block:
            connection.close()


def advance(schedule_ids: Iterable[UUID]) -> int:
    """For each schedule: start its oldest waiting run, or where one is open and is to be cancelled, cancel that."""
    started = 0
    for schedule_id in schedule_ids:
        to_cancel, begun = patience.run(partial(_advance, schedule_id))
        started += begun
        for execution_id in to_cancel:
            _cancel(execution_id)
        if to_cancel:
            started += patience.run(partial(_advance, schedule_id))[1]  # what had not begun has ended at once
    return started


def _advance(schedule_id: UUID) -> tuple[list[UUID], int]:
    """Executions to be cancelled, and how many were started."""
    locked = Schedule.objects.select_for_update(of=("self",), skip_locked=True).select_related("workflow__published_version")
    schedule = locked.filter(pk=schedule_id).first()
    if schedule is None:
        return [], 0
    if still := open_executions([schedule_id]).get(schedule_id):
        is_cancelling = schedule.overlap == Schedule.Overlap.CANCEL_PREVIOUS
        return [execution_id for execution_id, is_stopping in still if is_cancelling and not is_stopping], 0
    run = ScheduleRun.objects.filter(schedule=schedule_id, state=State.WAITING).order_by("scheduled_for").first()
    return [], 0 if run is None else _begin(schedule, run)


def _begin(schedule: Schedule, run: ScheduleRun) -> int:
    [outcome] = start_all([Wanted(schedule, run.scheduled_for, run.number)])
    run.state = State.STARTED if outcome.execution_id else State.FAILED
    run.execution_id, run.error, run.watched_until = outcome.execution_id, outcome.error, None
    run.save(update_fields=["state", "execution", "error", "watched_until"])
    alerts.raise_failed([outcome])
    if schedule.kind == Schedule.Kind.ONCE and outcome.execution_id:
        schedule.delete()
    return int(outcome.execution_id is not None)


def _cancel(execution_id: UUID) -> None:
    try:
        cancel_execution(execution_id=execution_id)
    except ConflictError:
        log.debug("Execution %s ended by itself.", execution_id)


def find_late() -> int:
    """Raise alerts for runs that have not begun within their grace time; returns how many."""
    if not fetch(_IS_ANY_LATE, {})[0]["found"]:
        return 0
    return patience.run(_find_late)


def _find_late() -> int:
    over = ScheduleRun.objects.filter(watched_until__lte=Now()).order_by("watched_until").select_related("schedule", "execution")
    rows = list(over.select_for_update(of=("self",), skip_locked=True)[:BATCH])
    ScheduleRun.objects.filter(pk__in=[row.pk for row in rows]).update(watched_until=None)
    late = [row for row in rows if row.execution is None or (row.execution.started_at is None and row.execution.finished_at is None)]
    alerts.raise_late(late)
    return len(late)


PRUNE = """
delete from schedule_run where id in (
    select id from schedule_run where created_at < now() - interval '90 days' and state <> 'waiting' order by created_at limit %(limit)s)
returning 1
"""
