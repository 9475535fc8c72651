"""Calendars of exceptions: one function a verb, and their reads."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction

from apps.accounts.models import User, Workspace
from apps.accounts.permissions import Permission
from apps.core.audit import Verb, record
from apps.engine.errors import ConflictError, NotFoundError
from apps.triggers.models import Schedule, ScheduleCalendar
from apps.triggers.models_schedules import ScheduleCalendarQuerySet
from apps.triggers.schedules.actions import recompute
from apps.triggers.timing.exceptions import parse_exceptions
from apps.workflows.access import NotAllowedError

MAX_CALENDARS = 1000


class CalendarNotFoundError(NotFoundError):
    code = "schedule_calendar_not_found"


class CalendarNameTakenError(ConflictError):
    code = "schedule_calendar_name_taken"


class TooManyCalendarsError(ConflictError):
    code = "too_many_schedule_calendars"


class CalendarInUseError(ConflictError):
    """Schedules name it; details: {"schedules": int}."""

    code = "schedule_calendar_in_use"


@transaction.atomic
def create_calendar(*, workspace: Workspace, name: str, days: Sequence[str]) -> ScheduleCalendar:
    """Raises InvalidScheduleError, CalendarNameTakenError, TooManyCalendarsError."""
    if ScheduleCalendar.objects.filter(workspace=workspace).count() >= MAX_CALENDARS:
        raise TooManyCalendarsError(f"A workspace has at most {MAX_CALENDARS} calendars.", limit=MAX_CALENDARS)
    parse_exceptions(days, pointer="/days")
    calendar = ScheduleCalendar(workspace=workspace, name=name, days=list(days))
    _save(calendar)
    record(Verb.SCHEDULE_CALENDAR_CREATED, calendar, after=_shown(calendar))
    return calendar


@transaction.atomic
def update_calendar(*, calendar: ScheduleCalendar, name: str | None = None, days: Sequence[str] | None = None) -> ScheduleCalendar:
    """The schedules that name it follow at once. Raises InvalidScheduleError, CalendarNameTakenError."""
    before = _shown(calendar)
    if name is not None:
        calendar.name = name
    if days is not None:
        parse_exceptions(days, pointer="/days")
        calendar.days = list(days)
    _save(calendar)
    if days is not None:
        active = Schedule.objects.filter(calendars=calendar, next_run_time__isnull=False).order_by("pk")
        recompute(active.select_for_update(of=("self",)).prefetch_related("calendars"))
    record(Verb.SCHEDULE_CALENDAR_UPDATED, calendar, before=before, after=_shown(calendar))
    return calendar


@transaction.atomic
def delete_calendar(*, calendar: ScheduleCalendar) -> None:
    """Raises CalendarInUseError."""
    if count := calendar.schedules.count():
        raise CalendarInUseError(f"{count} schedules leave out the days of calendar '{calendar.name}'.", schedules=count)
    record(Verb.SCHEDULE_CALENDAR_DELETED, calendar, before=_shown(calendar))
    calendar.delete()


def list_calendars(user: User, workspace_id: UUID | None = None) -> ScheduleCalendarQuerySet:
    found = ScheduleCalendar.objects.visible_to(user)
    return found if workspace_id is None else found.filter(workspace_id=workspace_id)


def get_calendar(user: User, calendar_id: UUID, permission: Permission | None = None) -> ScheduleCalendar:
    """Raises CalendarNotFoundError, and NotAllowedError where the person's role does not allow what `permission` names."""
    found = list_calendars(user).filter(pk=calendar_id).first()
    if found is None:
        raise CalendarNotFoundError(f"There is no calendar {calendar_id} that you may see.")
    if permission is not None and not user.access.allows(found.workspace_id, permission):
        raise NotAllowedError(f"You may see calendar '{found.name}', but this needs the right {permission}.", permission=permission)
    return found


def _save(calendar: ScheduleCalendar) -> None:
    try:
        with transaction.atomic():
            calendar.save()
    except IntegrityError as error:
        if "schedule_calendar_name_unique" not in str(error):
            raise
        raise CalendarNameTakenError(f"The workspace has a calendar named '{calendar.name}' already.", name=calendar.name) from error


def _shown(calendar: ScheduleCalendar) -> dict[str, Any]:
    return {"name": calendar.name, "days": calendar.days}
