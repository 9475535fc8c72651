"""Schedules for tests, and their clock moved by rows."""

from datetime import datetime, timedelta

from apps.triggers.models import Schedule, ScheduleRun
from apps.triggers.schedules.actions import create_schedule, database_now
from apps.workflows.models import Workflow
from tests.factories import make_version


def make(workflow: Workflow | None = None, **fields) -> Schedule:
    workflow = workflow or make_version().workflow
    return create_schedule(workflow=workflow, user=workflow.created_by, **{"name": "s", "kind": "cron", "cron_expr": "* * * * *", **fields})


def turn_back(schedule: Schedule, ticks: int) -> list[datetime]:
    """As if beat had stood still: the newest `ticks` whole minutes are not fired yet. Returns them."""
    newest = database_now().replace(second=0, microsecond=0)
    instants = [newest - timedelta(minutes=place) for place in reversed(range(ticks))]
    Schedule.objects.filter(pk=schedule.pk).update(next_run_time=instants[0], next_fire_at=instants[0])
    return instants


def make_due(*schedules: Schedule) -> None:
    """Let the next instant be now, at an interval of an hour."""
    now = database_now().replace(microsecond=0)
    for schedule in schedules:
        Schedule.objects.filter(pk=schedule.pk).update(next_run_time=now, next_fire_at=now, anchor_at=now)


def runs(schedule: Schedule) -> list[tuple[datetime, str]]:
    return list(ScheduleRun.objects.filter(schedule=schedule).order_by("scheduled_for").values_list("scheduled_for", "state"))
