"""Reading cron lines: `minute hour day-of-month month day-of-week`, with seconds before them where there are six fields."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NoReturn

from apps.triggers.timing.cron_days import Days, Last, Nth, OfMonth, OfWeek, Workday
from apps.triggers.timing.errors import InvalidScheduleError

MAX_LENGTH = 255
_MONTH_NAMES = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_DAY_NAMES = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_MONTHS = {name: number for number, name in enumerate(_MONTH_NAMES, 1)}
_WEEKDAYS = {name: number for number, name in enumerate(_DAY_NAMES)}
MACROS = {
    "@YEARLY": "0 0 1 1 *",
    "@ANNUALLY": "0 0 1 1 *",
    "@MONTHLY": "0 0 1 * *",
    "@WEEKLY": "0 0 * * 0",
    "@DAILY": "0 0 * * *",
    "@MIDNIGHT": "0 0 * * *",
    "@HOURLY": "0 * * * *",
}
_RANGE = re.compile(r"(?P<first>\*|\w+)(?:-(?P<last>\w+))?(?:/(?P<step>\d+))?", re.ASCII)
_LAST = re.compile(r"L(?:-(\d+))?", re.ASCII)
_WORKDAY = re.compile(r"(\d+|L)W", re.ASCII)
_LAST_OF_KIND = re.compile(r"(\w+)L", re.ASCII)
_NTH = re.compile(r"(\w+)#(\d+)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Fields:
    """A cron line, read. Numbers are sorted.

    days_of_month, days_of_week   None: any
    """

    seconds: tuple[int, ...]
    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days_of_month: tuple[Days, ...] | None
    months: frozenset[int]
    days_of_week: tuple[Days, ...] | None
    needs_both: bool
    """Whether a day has to be named by both day fields; else by one of them. As in Vixie's cron, one that begins with `*` asks for both."""


@dataclass(frozen=True, slots=True)
class _Field:
    title: str
    lowest: int
    highest: int
    names: Mapping[str, int]

    def fail(self, item: str, expected: str) -> NoReturn:
        raise InvalidScheduleError(f"Field {self.title}: expected {expected}, found '{item[:40]}'.", pointer="/cron_expr", field=self.title)

    def number(self, text: str, item: str) -> int:
        value = self.names.get(text)
        if value is None and text.isdigit() and len(text) < 4:
            value = int(text)
        if value is None or not self.lowest <= value <= self.highest:
            names = f" or {', '.join(self.names)}" if self.names else ""
            self.fail(item, f"{self.lowest} to {self.highest}{names}")
        return value

    def numbers(self, item: str) -> range:
        """`*`, `5`, `1-5`, `*/10`, `1-30/5`, `5/10` as numbers."""
        found = _RANGE.fullmatch(item)
        if found is None or (found["first"] == "*" and found["last"]):
            self.fail(item, "a number, a range such as 1-5, * or a step such as */10")
        step = int(found["step"][:6]) if found["step"] else 1
        if not 1 <= step <= self.highest:
            self.fail(item, f"a step from 1 to {self.highest}")
        if found["first"] == "*":
            return range(self.lowest, self.highest + 1, step)
        first = self.number(found["first"], item)
        if found["last"] is None:
            return range(first, (self.highest if found["step"] else first) + 1, step)
        last = self.number(found["last"], item)
        if last < first and self is _DAY_OF_WEEK and last == 0:
            last = 7  # FRI-SUN
        if last < first:
            self.fail(item, "a range that goes up")
        return range(first, last + 1, step)


_SECOND = _Field("second", 0, 59, {})
_MINUTE = _Field("minute", 0, 59, {})
_HOUR = _Field("hour", 0, 23, {})
_DAY_OF_MONTH = _Field("day of month", 1, 31, {})
_MONTH = _Field("month", 1, 12, _MONTHS)
_DAY_OF_WEEK = _Field("day of week", 0, 7, _WEEKDAYS)


def parse_fields(text: str) -> Fields:
    """Raises InvalidScheduleError, which names the field."""
    if len(text) > MAX_LENGTH:
        raise InvalidScheduleError(f"Expected a cron line of at most {MAX_LENGTH} characters, found {len(text)}.", pointer="/cron_expr")
    line = text.upper().strip()
    parts = MACROS.get(line, line).split()
    if len(parts) not in (5, 6):
        message = f"Expected a cron line of 5 fields, or 6 with seconds first, found {len(parts)} in '{text[:80]}'."
        raise InvalidScheduleError(message, pointer="/cron_expr")
    second, minute, hour, day_of_month, month, day_of_week = parts if len(parts) == 6 else ["0", *parts]
    return Fields(
        seconds=_plain(_SECOND, second),
        minutes=_plain(_MINUTE, minute),
        hours=_plain(_HOUR, hour),
        days_of_month=None if day_of_month in ("*", "?") else _days_of_month(day_of_month),
        months=frozenset(_plain(_MONTH, month)),
        days_of_week=None if day_of_week in ("*", "?") else _days_of_week(day_of_week),
        needs_both=day_of_month.startswith("*") or day_of_week.startswith("*"),
    )


def _plain(field: _Field, text: str) -> tuple[int, ...]:
    return tuple(sorted({number for item in text.split(",") for number in field.numbers(item)}))


def _days_of_month(text: str) -> tuple[Days, ...]:
    plain: set[int] = set()
    special: list[Days] = []
    for item in text.split(","):
        if found := _LAST.fullmatch(item):
            before = int((found[1] or "0")[:4])
            if before > 30:
                _DAY_OF_MONTH.fail(item, "L-0 to L-30")
            special.append(Last(before))
        elif found := _WORKDAY.fullmatch(item):
            special.append(Workday(None if found[1] == "L" else _DAY_OF_MONTH.number(found[1], item)))
        else:
            plain.update(_DAY_OF_MONTH.numbers(item))
    return (*([OfMonth(frozenset(plain))] if plain else []), *special)


def _days_of_week(text: str) -> tuple[Days, ...]:
    plain: set[int] = set()
    special: list[Days] = []
    for item in text.split(","):
        if found := _NTH.fullmatch(item):
            n = int(found[2][:3])
            if not 1 <= n <= 5:
                _DAY_OF_WEEK.fail(item, "#1 to #5")
            special.append(Nth(_from_monday(_DAY_OF_WEEK.number(found[1], item)), n))
        elif found := _LAST_OF_KIND.fullmatch(item):
            special.append(Nth(_from_monday(_DAY_OF_WEEK.number(found[1], item)), None))
        elif item == "L":
            _DAY_OF_WEEK.fail(item, "a day before L, such as FRIL for the last Friday")
        else:
            plain.update(_from_monday(number) for number in _DAY_OF_WEEK.numbers(item))
    return (*([OfWeek(frozenset(plain))] if plain else []), *special)


def _from_monday(day: int) -> int:
    """From cron's number of a day, where Sunday is 0 and 7, to Python's, where Monday is 0."""
    return (day + 6) % 7
