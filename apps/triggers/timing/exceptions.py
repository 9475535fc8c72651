"""Days on which nothing fires."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from apps.triggers.timing.errors import InvalidScheduleError

MAX_ENTRIES = 1000
WEEKDAYS = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")
_YEARLY = re.compile(r"\d\d-\d\d", re.ASCII)
_EXPECTED = "2026-12-25, 2026-12-24/2027-01-01, 12-25 for every year, or SAT"


@dataclass(frozen=True, slots=True)
class Exceptions:
    """days   {(first, last)}, both included"""

    days: frozenset[tuple[date, date]] = frozenset()
    yearly: frozenset[tuple[int, int]] = frozenset()
    weekdays: frozenset[int] = frozenset()

    def covers(self, day: date) -> bool:
        return (
            day.weekday() in self.weekdays or (day.month, day.day) in self.yearly or any(first <= day <= last for first, last in self.days)
        )

    def __or__(self, other: "Exceptions") -> "Exceptions":
        return Exceptions(self.days | other.days, self.yearly | other.yearly, self.weekdays | other.weekdays)


NONE = Exceptions()


def parse_exceptions(entries: Sequence[str], *, pointer: str) -> Exceptions:
    """entries: `2026-12-25`, `2026-12-24/2027-01-01`, `12-25` (every year) and `SAT`. Raises InvalidScheduleError."""
    if len(entries) > MAX_ENTRIES:
        raise InvalidScheduleError(f"Expected at most {MAX_ENTRIES} entries, found {len(entries)}.", pointer=pointer)
    days: set[tuple[date, date]] = set()
    yearly: set[tuple[int, int]] = set()
    weekdays: set[int] = set()
    for index, entry in enumerate(entries):
        place = f"{pointer}/{index}"
        if (name := entry.upper()[:3]) in WEEKDAYS and len(entry) == 3:
            weekdays.add(WEEKDAYS.index(name))
        elif _YEARLY.fullmatch(entry):
            leap_day = _date(f"2000-{entry}", place)
            yearly.add((leap_day.month, leap_day.day))
        else:
            first, _, last = entry.partition("/")
            days.add(_range(first, last or first, place))
    if len(weekdays) == 7:
        raise InvalidScheduleError("Every day of the week is an exception: it would never fire.", pointer=pointer)
    return Exceptions(frozenset(days), frozenset(yearly), frozenset(weekdays))


def _range(first: str, last: str, place: str) -> tuple[date, date]:
    begins, ends = _date(first, place), _date(last, place)
    if ends < begins:
        raise InvalidScheduleError(f"Expected a range that ends after it begins, found '{first}/{last}'.", pointer=place)
    return begins, ends


def _date(text: str, place: str) -> date:
    try:
        if len(text) != 10:
            raise ValueError(text)
        return date.fromisoformat(text)
    except ValueError as error:
        raise InvalidScheduleError(f"Expected {_EXPECTED}, found '{text[:40]}'.", pointer=place) from error
