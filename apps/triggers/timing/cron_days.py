"""The days that the day fields of a cron line name: plain numbers, and what depends on the month."""

from calendar import SATURDAY, SUNDAY, monthrange, weekday
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol


class Days(Protocol):
    def within(self, year: int, month: int) -> Iterator[int]:
        """Days of that month, in any order."""
        ...


@dataclass(frozen=True, slots=True)
class OfMonth:
    """Days by number; those that a month lacks are left out there."""

    days: frozenset[int]

    def within(self, year: int, month: int) -> Iterator[int]:
        last = monthrange(year, month)[1]
        return (day for day in self.days if day <= last)


@dataclass(frozen=True, slots=True)
class Last:
    """`L` and `L-3`: so many days before the last one."""

    before: int = 0

    def within(self, year: int, month: int) -> Iterator[int]:
        day = monthrange(year, month)[1] - self.before
        if day >= 1:
            yield day


@dataclass(frozen=True, slots=True)
class Workday:
    """`15W` and `LW`: the day from Monday to Friday that is nearest, in the same month.

    day   None: the last of the month
    """

    day: int | None

    def within(self, year: int, month: int) -> Iterator[int]:
        last = monthrange(year, month)[1]
        day = last if self.day is None else self.day
        if day > last:
            return
        falls_on = weekday(year, month, day)
        if falls_on == SATURDAY:
            day += -1 if day > 1 else 2
        elif falls_on == SUNDAY:
            day += 1 if day < last else -2
        yield day


@dataclass(frozen=True, slots=True)
class OfWeek:
    """Days of the week, Monday 0."""

    weekdays: frozenset[int]

    def within(self, year: int, month: int) -> Iterator[int]:
        first, last = monthrange(year, month)
        return (day for day in range(1, last + 1) if (first + day - 1) % 7 in self.weekdays)


@dataclass(frozen=True, slots=True)
class Nth:
    """`5#2` and `5L`: the second and the last Friday.

    weekday   Monday 0
    n         from 1; None: the last
    """

    weekday: int
    n: int | None

    def within(self, year: int, month: int) -> Iterator[int]:
        days = sorted(OfWeek(frozenset({self.weekday})).within(year, month))
        if self.n is None:
            yield days[-1]
        elif self.n <= len(days):
            yield days[self.n - 1]
