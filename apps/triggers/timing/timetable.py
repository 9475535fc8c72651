"""All of when a schedule fires: its rule within its bounds, without its exceptions, moved by its jitter."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from hashlib import blake2b
from itertools import islice
from zoneinfo import ZoneInfo

from apps.triggers.timing import zones
from apps.triggers.timing.exceptions import NONE, Exceptions
from apps.triggers.timing.rules import Rule

# Days that may be left out one after another before it counts as never.
MAX_SKIPPED = 5000
EARLIEST = datetime(1900, 1, 1, tzinfo=UTC)
LATEST_YEAR = 2200
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Timetable:
    """A function of nothing but its fields: the same ones always give the same instants.

    start_at, end_at   the first and the last instant that it may fire for; None: no bound
    jitter_seconds     it fires up to so much after the instant, for each instant always the same
    seed               what jitter depends on beside the instant
    """

    rule: Rule
    zone: ZoneInfo
    start_at: datetime | None = None
    end_at: datetime | None = None
    exceptions: Exceptions = NONE
    jitter_seconds: int = 0
    seed: str = ""

    def next_after(self, after: datetime) -> datetime | None:
        """The first instant later than `after`, in UTC, whole seconds; None: never again."""
        after = max(after, EARLIEST)
        if self.start_at is not None and self.start_at > after:
            after = self.start_at - timedelta(seconds=1)
        if after.year > LATEST_YEAR:
            return None
        for _ in range(MAX_SKIPPED):
            found = self.rule.next_after(after)
            if found is None or found.year > LATEST_YEAR or (self.end_at is not None and found > self.end_at):
                return None
            day = zones.wall_of(found, self.zone).date()
            if not self.exceptions.covers(day):
                return found
            next_day = zones.instant_of(datetime.combine(day + _DAY, time()), self.zone)
            after = max(found, next_day - timedelta(seconds=1))
        return None

    def after(self, after: datetime) -> Iterator[datetime]:
        """All instants later than `after`, in order."""
        found = self.next_after(after)
        while found is not None:
            yield found
            found = self.next_after(found)

    def between(self, first: datetime, last: datetime, *, most: int) -> list[datetime]:
        """The first `most` instants from `first` to `last`, both included."""
        found: list[datetime] = []
        for instant in islice(self.after(first - timedelta(seconds=1)), most):
            if instant > last:
                break
            found.append(instant)
        return found

    def fires_at(self, instant: datetime) -> datetime:
        """When it fires for an instant: at once without jitter."""
        if not self.jitter_seconds:
            return instant
        digest = blake2b(f"{self.seed} {instant.isoformat()}".encode(), digest_size=8).digest()
        return instant + timedelta(seconds=int.from_bytes(digest) % (self.jitter_seconds * 1000) / 1000)
