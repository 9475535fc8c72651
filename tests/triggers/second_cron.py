"""A second implementation of cron lines, to hold the first against: slow, and by other means.

It asks of every day whether it is meant, by counting through its month, and of every real minute of a day what a clock on the wall shows.
"""

import re
from calendar import Calendar
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

NAMES = {
    **{name: str(number) for number, name in enumerate(["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"])},
    **{name: str(number) for number, name in enumerate(["JAN", "FEB", "MAR", "APR"], 1)},
}


def instants_between(line: str, zone: str, first: date, last: date) -> list[datetime]:
    """All instants of a line of five or six fields on the days from `first` to the one before `last`."""
    *second, minute, hour, day_of_month, month, day_of_week = re.sub("|".join(NAMES), lambda found: NAMES[found[0]], line).split()
    minutes = [number for number in range(60) if _names(minute, number, 0, 59)]
    seconds = [timedelta(seconds=number) for number in range(60) if _names(second[0] if second else "0", number, 0, 59)]
    hours = [number for number in range(24) if _names(hour, number, 0, 23)]
    found: set[datetime] = set()
    day = first
    while day < last:
        if _names(month, day.month, 1, 12) and _is_day(day, day_of_month, day_of_week):
            wanted = {(h, m) for h in hours for m in minutes}
            exact, moved = (_every_hour(day, zone, wanted), set()) if len(hours) == 24 else _by_name(day, zone, wanted)
            found |= {one + more for one in exact for more in seconds} | moved
        day += timedelta(days=1)
    return sorted(found)


def _is_day(day: date, day_of_month: str, day_of_week: str) -> bool:
    by_month = any(_is_day_of_month(item, day) for item in day_of_month.replace("?", "*").split(","))
    by_week = any(_is_day_of_week(item, day) for item in day_of_week.replace("?", "*").split(","))
    if day_of_month[0] in "*?" or day_of_week[0] in "*?":
        return by_month and by_week
    return by_month or by_week


def _is_day_of_month(item: str, day: date) -> bool:
    month = [one for one in Calendar().itermonthdates(day.year, day.month) if one.month == day.month]
    if item.startswith("L") and item != "LW":
        return month.index(day) == len(month) - 1 - int(item[2:] or 0)
    if item.endswith("W"):
        number = len(month) if item == "LW" else int(item[:-1])
        if number > len(month):
            return False
        workdays = [one for one in month if one.isoweekday() < 6]
        return day == min(workdays, key=lambda one: (abs(one.day - number), one.isoweekday() != 5))
    return _names(item, day.day, 1, 31)


def _is_day_of_week(item: str, day: date) -> bool:
    number = day.isoweekday() % 7
    if "#" in item:
        wanted, n = item.split("#")
        return number == int(wanted) % 7 and (day.day + 6) // 7 == int(n)
    if item.endswith("L"):
        return number == int(item[:-1]) % 7 and (day + timedelta(days=7)).month != day.month
    return _names(item, number, 0, 7) or (number == 0 and _names(item, 7, 0, 7))


def _names(field: str, number: int, lowest: int, highest: int) -> bool:
    for item in field.split(","):
        span, _, step = item.partition("/")
        low, _, high = (f"{lowest}-{highest}" if span == "*" else span).partition("-")
        if int(low) <= number <= int(high or low) and (number - int(low)) % int(step or 1) == 0:
            return True
    return False


@lru_cache(4096)
def _minutes_of(day: date, zone: str) -> tuple[tuple[datetime, int, int], ...]:
    """(instant, hour, minute) of each real minute of a day."""
    place = ZoneInfo(zone)
    start = datetime(day.year, day.month, day.day, tzinfo=UTC) - timedelta(hours=15)
    minutes = ((start + timedelta(minutes=number)) for number in range(60 * 54))
    shown = ((one, one.astimezone(place)) for one in minutes)
    return tuple((one, wall.hour, wall.minute) for one, wall in shown if wall.date() == day)


@lru_cache(100_000)
def _is_plain(day: date, zone: str) -> timedelta | None:
    """The offset of a day that has the same one from midnight to midnight."""
    place = ZoneInfo(zone)
    ends = [datetime(day.year, day.month, day.day, tzinfo=place) + timedelta(days=number) for number in (-1, 0, 1, 2)]
    offsets = {end.utcoffset() for end in ends}
    return offsets.pop() if len(offsets) == 1 else None


def _every_hour(day: date, zone: str, wanted: set[tuple[int, int]]) -> set[datetime]:
    if (offset := _is_plain(day, zone)) is not None:
        return _at_offset(day, offset, wanted)
    return {one for one, hour, minute in _minutes_of(day, zone) if (hour, minute) in wanted}


def _by_name(day: date, zone: str, wanted: set[tuple[int, int]]) -> tuple[set[datetime], set[datetime]]:
    """Minutes as they are named, and the ends of gaps that stand for all that is missing."""
    if (offset := _is_plain(day, zone)) is not None:
        return _at_offset(day, offset, wanted), set()
    minutes = _minutes_of(day, zone)
    exact, moved = set(), set()
    for hour, minute in wanted:
        same = [one for one, h, m in minutes if (h, m) == (hour, minute)]
        later = [one for one, h, m in minutes if (h, m) > (hour, minute)]
        next_day = minutes[-1][0] + timedelta(minutes=1)
        if same:
            exact.add(min(same))
        else:
            moved.add(min(later, default=next_day))
    return exact, moved


def _at_offset(day: date, offset: timedelta, wanted: set[tuple[int, int]]) -> set[datetime]:
    return {datetime(day.year, day.month, day.day, hour, minute, tzinfo=UTC) - offset for hour, minute in wanted}
