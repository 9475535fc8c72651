"""Schedules that are due in one second, and schedules that are not due at all. Needs Django to be set up."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import connection

from apps.accounts.models import User
from apps.triggers.models import Schedule
from apps.triggers.schedules.actions import create_schedule, database_now
from apps.workflows.models import Workflow
from tests.bench.our_runs import PATIENCE_SECONDS, UnexpectedEndError
from tests.chaos.processes import wait_until
from tests.chaos.publishing import OPERATOR

AHEAD = timedelta(seconds=3)

# Rows are copied whole, so that whatever columns there are, the copies are as those that people make.
_COPY = """
with model as materialized (select * from schedule order by id limit %(models)s)
insert into schedule
select r.* from model m cross join generate_series(1, %(copies)s) number
 cross join lateral (select now() + interval '1 day' + make_interval(secs => number) as at) next
 cross join lateral jsonb_populate_record(m::schedule, jsonb_build_object(
     'id', gen_random_uuid(), 'anchor_at', next.at, 'next_run_time', next.at, 'next_fire_at', next.at)) r
"""
_MAKE_DUE = "update schedule set anchor_at = %(at)s, next_run_time = %(at)s, next_fire_at = %(at)s"
_LEFT = """
select %(count)s - count(*) from schedule_run r join execution e on e.id = r.execution_id
 where r.scheduled_for = %(at)s and e.finished_at is not null
"""
_SEEN = """
select count(distinct r.schedule_id), count(distinct e.id), count(*) filter (where e.status = 'success'),
       max(extract(epoch from e.created_at - %(at)s))::float8, max(extract(epoch from n.started_at - %(at)s))::float8
  from schedule_run r join execution e on e.id = r.execution_id
  join lateral (select min(started_at) as started_at from node_run where execution_id = e.id) n on true
 where r.scheduled_for = %(at)s
"""


def make_schedules(workflows: Sequence[Workflow], count: int) -> None:
    """So many schedules, the same number of each workflow; none of them is due within the hour."""
    operator = User.objects.get(username=OPERATOR)
    for workflow in workflows:
        create_schedule(workflow=workflow, user=operator, name="due", kind=Schedule.Kind.INTERVAL, interval_seconds=3600)
    _copy(models=len(workflows), copies=count // len(workflows) - 1)


def add_idle_schedules(count: int) -> None:
    """So many more, due one second after the other from tomorrow on."""
    _copy(models=1, copies=count)


def seconds_until_all_start(count: int) -> tuple[float, float]:
    """Let all schedules be due at one instant: seconds until the last has its execution, and until the last of these has begun.

    Raises UnexpectedEndError where one started twice, or did not succeed.
    """
    at = database_now().replace(microsecond=0) + AHEAD
    _ask(_MAKE_DUE, at, count)
    wait_until(lambda: _ask(_LEFT, at, count)[0] == 0, within_seconds=PATIENCE_SECONDS, what=f"{count} schedules start")
    schedules, executions, succeeded, made, begun = _ask(_SEEN, at, count)
    if (schedules, executions, succeeded) != (count, count, count):
        raise UnexpectedEndError(f"{schedules} of {count} schedules started {executions} executions; {succeeded} of them succeeded")
    return made, begun


def _copy(*, models: int, copies: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(_COPY, {"models": models, "copies": copies})
        cursor.execute("analyze schedule")


def _ask(statement: str, at: datetime, count: int) -> tuple[float, ...]:
    with connection.cursor() as cursor:
        cursor.execute(statement, {"at": at, "count": count})
        return tuple(cursor.fetchone()) if cursor.description else ()
