"""Between the clock on the wall and UTC, where a zone puts its clocks forward and back.

A time on the wall that does not exist stands for the first instant after the gap; one that comes twice stands for the first of the two.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from apps.triggers.timing.errors import InvalidScheduleError

_SECOND = timedelta(seconds=1)
# No zone changes its offset twice within it.
_STRIDE = timedelta(days=7)

NextWall = Callable[[datetime], datetime | None]


@lru_cache(1024)
def get_zone(name: str) -> ZoneInfo:
    """Raises InvalidScheduleError."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        message = f"Expected the name of a time zone, such as Europe/Berlin or UTC, found '{name[:80]}'."
        raise InvalidScheduleError(message, pointer="/timezone") from error


def wall_of(instant: datetime, zone: ZoneInfo) -> datetime:
    """What the clock on the wall shows."""
    return instant.astimezone(zone).replace(tzinfo=None, fold=0)


def instant_of(wall: datetime, zone: ZoneInfo) -> datetime:
    """The instant, in UTC, that a time on the wall stands for."""
    found = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
    if wall_of(found, zone) == wall:
        return found
    # With the offset from before the gap it comes out after it, and the other way round.
    before = wall.replace(tzinfo=zone, fold=1).astimezone(UTC)
    return _change_within(zone, before, found) or found


def next_by_name(next_wall: NextWall, after: datetime, zone: ZoneInfo) -> datetime | None:
    """The first instant later than `after` of a line that names its hours: each time on the wall counts once."""
    wall = next_wall(wall_of(after, zone))
    while wall is not None and (found := instant_of(wall, zone)) <= after:
        wall = next_wall(wall)
    return None if wall is None else found


def next_by_elapsed_time(next_wall: NextWall, after: datetime, zone: ZoneInfo) -> datetime | None:
    """The first instant later than `after` of a line for every hour: repeated hours count twice, missing ones not at all."""
    while True:
        offset = _offset(after, zone)
        wall = next_wall((after + offset).replace(tzinfo=None))
        if wall is None:
            return None
        found = wall.replace(tzinfo=UTC) - offset
        change = _first_change(zone, after, found)
        if change is None:
            return found
        after = change - _SECOND
        # From here on another offset counts, and its first instant too.
        wall = next_wall((after + _offset(change, zone)).replace(tzinfo=None))
        if wall is None:
            return None
        found = wall.replace(tzinfo=UTC) - _offset(change, zone)
        if _first_change(zone, change, found) is None:
            return found
        after = change


def _offset(instant: datetime, zone: ZoneInfo) -> timedelta:
    return instant.astimezone(zone).utcoffset() or timedelta()


def _first_change(zone: ZoneInfo, after: datetime, until: datetime) -> datetime | None:
    """The first instant of another offset in (after, until]."""
    while after < until:
        step = min(after + _STRIDE, until)
        if (found := _change_within(zone, after, step)) is not None:
            return found
        after = step
    return None


def _change_within(zone: ZoneInfo, low: datetime, high: datetime) -> datetime | None:
    """The instant in (low, high] at which the offset changes; None where it is the same at both."""
    offset = _offset(low, zone)
    if _offset(high, zone) == offset:
        return None
    while high - low > _SECOND:
        middle = (low + (high - low) / 2).replace(microsecond=0)
        low, high = (middle, high) if _offset(middle, zone) == offset else (low, middle)
    return high
