"""From the columns of a schedule to its timetable, and what is wrong with columns that make none."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

from apps.triggers.models import Schedule
from apps.triggers.timing import rules
from apps.triggers.timing.cron import parse_cron
from apps.triggers.timing.errors import InvalidScheduleError
from apps.triggers.timing.exceptions import Exceptions, parse_exceptions
from apps.triggers.timing.rules import MAX_DELAY_SECONDS, MAX_INTERVAL_SECONDS, Rule
from apps.triggers.timing.timetable import EARLIEST, LATEST_YEAR, Timetable
from apps.triggers.timing.zones import get_zone

Kind = Schedule.Kind
# Which column says when, for each kind; the others are to be empty.
TELLING = {Kind.CRON: "cron_expr", Kind.INTERVAL: "interval_seconds", Kind.ONCE: "run_at", Kind.DELAY: "delay_seconds"}
MAX_DELAY_FACTOR = 100.0
LOOKED_AT = 10


def timetable_of(schedule: Schedule) -> Timetable:
    """Reads its calendars. Raises InvalidScheduleError, with the field."""
    days = parse_exceptions(schedule.exceptions, pointer="/exceptions")
    if schedule.pk is not None and not schedule._state.adding:
        for calendar in schedule.calendars.all():
            days |= parse_exceptions(calendar.days, pointer="/calendars")
    return timetable_with(schedule, days)


def timetable_with(schedule: Schedule, days: Exceptions) -> Timetable:
    """days   on which it does not fire, of its own and of its calendars"""
    zone = get_zone(schedule.timezone)
    return Timetable(
        rule=_rule(schedule, zone),
        zone=zone,
        start_at=_up(schedule.start_at),
        end_at=_utc(schedule.end_at),
        exceptions=days,
        jitter_seconds=schedule.jitter_seconds,
        seed=str(schedule.pk),
    )


def check(schedule: Schedule, days: Exceptions, *, now: datetime, must_fire: bool = True) -> Timetable:
    """The timetable of a schedule that somebody wants. Raises InvalidScheduleError for what cannot be meant.

    must_fire   it is wrong as well where nothing of it lies in the future
    """
    _check_kind(schedule)
    _check_bounds(schedule)
    timetable = timetable_with(schedule, days)
    if schedule.misfire == Schedule.Misfire.CATCH_UP and schedule.catch_up_count < 1:
        raise InvalidScheduleError("Expected catch_up_count of 1 or more with the rule catch_up.", pointer="/catch_up_count")
    if timetable.next_after(now) is None and must_fire:
        raise InvalidScheduleError("It would never fire: nothing of it lies in the future.", pointer=f"/{TELLING[Kind(schedule.kind)]}")
    _check_jitter(timetable, now)
    return timetable


def _check_bounds(schedule: Schedule) -> None:
    for name, bound in (("start_at", schedule.start_at), ("end_at", schedule.end_at)):
        if bound is not None and not EARLIEST.year <= bound.year <= LATEST_YEAR:
            message = f"Expected a year from {EARLIEST.year} to {LATEST_YEAR}, found {bound.year}."
            raise InvalidScheduleError(message, pointer=f"/{name}")
    if schedule.start_at and schedule.end_at and schedule.end_at < schedule.start_at:
        raise InvalidScheduleError(f"Expected an end after the start, found {schedule.end_at.isoformat()}.", pointer="/end_at")


def _check_kind(schedule: Schedule) -> None:
    for kind, column in TELLING.items():
        is_given = getattr(schedule, column) not in (None, "")
        if is_given != (kind == schedule.kind):
            found = f"found {column} of the kind {kind}" if is_given else "found none"
            raise InvalidScheduleError(
                f"A schedule of the kind {schedule.kind} has {TELLING[Kind(schedule.kind)]} alone; {found}.", pointer=f"/{column}"
            )
    _check_range(schedule, "interval_seconds", MAX_INTERVAL_SECONDS)
    _check_range(schedule, "delay_seconds", MAX_DELAY_SECONDS)
    _check_range(schedule, "max_delay_seconds", MAX_DELAY_SECONDS)
    if not 1.0 <= schedule.delay_factor <= MAX_DELAY_FACTOR:
        message = f"Expected a factor from 1 to {MAX_DELAY_FACTOR:g}, found {schedule.delay_factor:g}."
        raise InvalidScheduleError(message, pointer="/delay_factor")


def _check_range(schedule: Schedule, column: str, most: int) -> None:
    value = getattr(schedule, column)
    if value is not None and not 1 <= value <= most:
        raise InvalidScheduleError(f"Expected 1 to {most} seconds, found {value}.", pointer=f"/{column}")


def _check_jitter(timetable: Timetable, now: datetime) -> None:
    """Jitter moves an instant, never past the next one."""
    if not timetable.jitter_seconds:
        return
    instants = timetable.between(now, datetime.max.replace(tzinfo=UTC), most=LOOKED_AT)
    shortest = min((later - earlier for earlier, later in pairwise(instants)), default=None)
    if shortest is not None and shortest <= timedelta(seconds=timetable.jitter_seconds):
        message = f"Expected less than the {shortest.total_seconds():.0f} s between two runs, found {timetable.jitter_seconds}."
        raise InvalidScheduleError(message, pointer="/jitter_seconds")


def _rule(schedule: Schedule, zone: ZoneInfo) -> Rule:
    anchor = _up(schedule.start_at) or _up(schedule.anchor_at)
    match schedule.kind:
        case Kind.CRON:
            return rules.ByCron(parse_cron(schedule.cron_expr), zone)
        case Kind.INTERVAL:
            return rules.ByInterval(schedule.interval_seconds or 1, _known(anchor))
        case Kind.DELAY:
            return rules.AfterDelay(schedule.delay_seconds or 1, schedule.delay_factor, schedule.max_delay_seconds, _known(anchor))
        case _:
            return rules.Once(read_run_at(schedule.run_at, zone))


def read_run_at(text: str, zone: ZoneInfo) -> datetime:
    """Raises InvalidScheduleError."""
    try:
        return rules.read_instant(text, zone)
    except (ValueError, OverflowError) as error:
        message = f"Expected an instant such as 2026-12-24T18:00:00, found '{text[:40]}'."
        raise InvalidScheduleError(message, pointer="/run_at") from error


def _known(anchor: datetime | None) -> datetime:
    if anchor is None:
        raise InvalidScheduleError("Expected an instant to count from.", pointer="/start_at")
    return anchor


def _utc(instant: datetime | None) -> datetime | None:
    return None if instant is None else instant.astimezone(UTC)


def _up(instant: datetime | None) -> datetime | None:
    """In UTC, at a whole second that is not before it."""
    if instant is None:
        return None
    whole = instant.astimezone(UTC).replace(microsecond=0)
    return whole if whole == instant else whole + timedelta(seconds=1)


def as_facts(schedule: Schedule, instant: datetime, *, number: int) -> dict[str, Any]:
    """What expressions of the input may read as `schedule`.

    number   of this run, from 1; 0 of a backfill
    """
    zone = get_zone(schedule.timezone)
    local = instant.astimezone(zone)
    last = schedule.last_run_time
    return {
        "id": str(schedule.pk),
        "name": schedule.name,
        "scheduled_for": instant.astimezone(UTC).isoformat(),
        "local_time": local.isoformat(),
        "local_date": local.date().isoformat(),
        "timezone": schedule.timezone,
        "run_number": number,
        "last_run_time": None if last is None else last.astimezone(UTC).isoformat(),
    }
