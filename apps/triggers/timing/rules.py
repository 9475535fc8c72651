"""The four ways to say when: by a cron line, at an interval, once, and after a delay."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

from apps.triggers.timing import zones
from apps.triggers.timing.cron import Cron

MAX_INTERVAL_SECONDS = 10 * 366 * 86_400
MAX_DELAY_SECONDS = 366 * 86_400


class Rule(Protocol):
    def next_after(self, after: datetime) -> datetime | None:
        """The first instant later than `after`, both in UTC; None: never again."""
        ...


@dataclass(frozen=True, slots=True)
class ByCron:
    cron: Cron
    zone: ZoneInfo

    def next_after(self, after: datetime) -> datetime | None:
        find = zones.next_by_elapsed_time if self.cron.is_hourly else zones.next_by_name
        return find(self.cron.next_wall, after, self.zone)


@dataclass(frozen=True, slots=True)
class ByInterval:
    """Every so many seconds that elapse, counted from `anchor`, which is one of the instants."""

    seconds: int
    anchor: datetime

    def next_after(self, after: datetime) -> datetime | None:
        period = timedelta(seconds=self.seconds)
        return self.anchor + ((after - self.anchor) // period + 1) * period


@dataclass(frozen=True, slots=True)
class Once:
    at: datetime

    def next_after(self, after: datetime) -> datetime | None:
        return self.at if self.at > after else None


@dataclass(frozen=True, slots=True)
class AfterDelay:
    """`seconds` after `anchor`; should it run again, each wait is `factor` times the one before, and at most `most_seconds`.

    With 10 s and factor 2: 10, 30, 70, 150 s after the anchor. With factor 1: 10, 20, 30 s.
    """

    seconds: int
    factor: float
    most_seconds: int
    anchor: datetime

    def next_after(self, after: datetime) -> datetime | None:
        at, wait = self.anchor, float(min(self.seconds, self.most_seconds))
        while at <= after:
            if self.factor == 1.0 or wait >= self.most_seconds:
                return ByInterval(round(wait), at).next_after(after)
            at, wait = at + timedelta(seconds=round(wait)), min(wait * self.factor, float(self.most_seconds))
            if at > after:
                return at
        return at + timedelta(seconds=round(wait))


def read_instant(text: str, zone: ZoneInfo) -> datetime:
    """An instant in UTC from ISO 8601: with an offset, or as the clock on the wall of the zone shows it. Raises ValueError."""
    found = datetime.fromisoformat(text).replace(microsecond=0)
    return zones.instant_of(found, zone) if found.tzinfo is None else found.astimezone(UTC)
