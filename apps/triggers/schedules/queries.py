"""Reads of schedules, their runs and alerts, each for somebody."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from apps.accounts.models import User
from apps.accounts.permissions import Permission
from apps.engine.errors import NotFoundError
from apps.triggers.models import Schedule, ScheduleAlert, ScheduleRun
from apps.triggers.models_schedules import ScheduleAlertQuerySet, ScheduleQuerySet, ScheduleRunQuerySet
from apps.triggers.timing.timetable import Timetable
from apps.workflows.access import is_visible, require

PREVIEWED = 10
MAX_PREVIEWED = 100


class ScheduleNotFoundError(NotFoundError):
    code = "schedule_not_found"


class AlertNotFoundError(NotFoundError):
    code = "schedule_alert_not_found"


@dataclass(frozen=True, slots=True)
class Instant:
    """One instant to come: as the clock of the schedule's zone shows it, and when it fires, which jitter moves."""

    run_time: datetime
    local_time: str
    fires_at: datetime


def list_schedules(user: User, **only: Any) -> ScheduleQuerySet:
    found = Schedule.objects.visible_to(user).filter(**only)
    return found.select_related("workflow", "user").prefetch_related("calendars")


def get_schedule(user: User, schedule_id: UUID, *permissions: Permission) -> Schedule:
    """One schedule, to do with its workflow what `permissions` name. Raises ScheduleNotFoundError, NotAllowedError."""
    found = Schedule.objects.select_related("workflow__published_version", "user").prefetch_related("calendars")
    schedule = found.filter(pk=schedule_id).first()
    if schedule is None or not is_visible(user, schedule.workflow):
        raise ScheduleNotFoundError(f"There is no schedule {schedule_id} that you may see.")
    for permission in (Permission.WORKFLOW_VIEW, *permissions):
        require(user, schedule.workflow, permission)
    return schedule


def list_runs(schedule: Schedule, state: str | None = None) -> ScheduleRunQuerySet:
    """Runs of a schedule that the caller has read before."""
    found = ScheduleRun.objects.filter(schedule=schedule).select_related("execution").defer(*_HEAVY)
    return found if state is None else found.filter(state=state)


def list_alerts(user: User, *, is_open: bool | None = None, **only: Any) -> ScheduleAlertQuerySet:
    found = ScheduleAlert.objects.visible_to(user).filter(**only).select_related("closed_by")
    return found if is_open is None else found.filter(closed_at__isnull=is_open)


def get_alert(user: User, alert_id: UUID) -> ScheduleAlert:
    """Raises AlertNotFoundError."""
    found = ScheduleAlert.objects.visible_to(user).select_related("workflow").filter(pk=alert_id).first()
    if found is None:
        raise AlertNotFoundError(f"There is no alert {alert_id} that you may see.")
    return found


def preview(timetable: Timetable, *, after: datetime, count: int = PREVIEWED) -> list[Instant]:
    """The next instants later than `after`; fewer where there are no more."""
    found = []
    for instant in timetable.after(after):
        found.append(Instant(instant, instant.astimezone(timetable.zone).isoformat(), timetable.fires_at(instant)))
        if len(found) == count:
            break
    return found


_HEAVY = ("execution__input", "execution__output", "execution__variables", "execution__error")
