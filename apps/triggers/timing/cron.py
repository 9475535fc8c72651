"""Cron lines on the calendar and on the clock on the wall, which knows no zones: `zones` takes it from there."""

from bisect import bisect_left
from datetime import date, datetime, time, timedelta
from functools import lru_cache

from apps.triggers.timing.cron_parser import Fields, parse_fields
from apps.triggers.timing.errors import InvalidScheduleError

# The calendar repeats within it, also around 2100, which has no 29 February: what is not found by then is never found.
MAX_YEARS = 40
_SECOND = timedelta(seconds=1)


class Cron:
    """One cron line."""

    def __init__(self, fields: Fields) -> None:
        self._fields = fields
        self._months = lru_cache(64)(self._days_of)
        self.is_hourly = len(fields.hours) == 24
        """It names no hour, and so goes by elapsed time where a clock is put forward or back."""

    def next_wall(self, after: datetime) -> datetime | None:
        """The first time on the wall later than `after`, both without a zone; None: never."""
        start = after.replace(microsecond=0) + _SECOND
        day = start.date()
        if self._is_day(day) and (found := self._time_from(start.time())) is not None:
            return datetime.combine(day, found)
        later = self._day_after(day)
        return None if later is None else datetime.combine(later, self._first_time())

    def _first_time(self) -> time:
        fields = self._fields
        return time(fields.hours[0], fields.minutes[0], fields.seconds[0])

    def _time_from(self, start: time) -> time | None:
        """The first time of a day that is not before `start`."""
        fields = self._fields
        if start.hour in fields.hours:
            if start.minute in fields.minutes and (second := _at_least(fields.seconds, start.second)) is not None:
                return time(start.hour, start.minute, second)
            if (minute := _at_least(fields.minutes, start.minute + 1)) is not None:
                return time(start.hour, minute, fields.seconds[0])
        hour = _at_least(fields.hours, start.hour + 1)
        return None if hour is None else time(hour, fields.minutes[0], fields.seconds[0])

    def _is_day(self, day: date) -> bool:
        return day.month in self._fields.months and day.day in self._months(day.year, day.month)

    def _day_after(self, day: date) -> date | None:
        year, month = day.year, day.month
        first = day.day + 1
        while year <= min(day.year + MAX_YEARS, 9998):
            if month in self._fields.months and (found := _at_least(self._months(year, month), first)) is not None:
                return date(year, month, found)
            first = 1
            year, month = (year, month + 1) if month < 12 else (year + 1, 1)
        return None

    def _days_of(self, year: int, month: int) -> tuple[int, ...]:
        fields = self._fields
        every = set(range(1, 32))
        by_month, by_week = (
            every if kinds is None else {day for kind in kinds for day in kind.within(year, month)}
            for kinds in (fields.days_of_month, fields.days_of_week)
        )
        if fields.days_of_month is None or fields.days_of_week is None or fields.needs_both:
            found = by_month & by_week
        else:
            found = by_month | by_week
        last = (date(year + month // 12, month % 12 + 1, 1) - timedelta(days=1)).day
        return tuple(sorted(day for day in found if day <= last))


def _at_least(numbers: tuple[int, ...], lowest: int) -> int | None:
    place = bisect_left(numbers, lowest)
    return numbers[place] if place < len(numbers) else None


@lru_cache(4096)
def parse_cron(text: str) -> Cron:
    """Raises InvalidScheduleError for a line that cannot be read, and for one that never comes, such as `0 0 31 2 *`."""
    cron = Cron(parse_fields(text))
    if cron.next_wall(datetime(2000, 1, 1)) is None:  # noqa: DTZ001  # a time on the wall
        raise InvalidScheduleError(f"There is never a day as '{text[:80]}' asks for.", pointer="/cron_expr")
    return cron
