"""When schedules fire, against tables written by hand and against a second implementation."""

from datetime import UTC, date, datetime, time, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.triggers.timing.cron import parse_cron
from apps.triggers.timing.errors import InvalidScheduleError
from apps.triggers.timing.exceptions import Exceptions, parse_exceptions
from apps.triggers.timing.misfire import MAX_CATCH_UP, Misfire, find_due
from apps.triggers.timing.rules import AfterDelay, ByCron, ByInterval, Once, read_instant
from apps.triggers.timing.timetable import Timetable
from apps.triggers.timing.zones import get_zone, instant_of, wall_of
from tests.triggers.second_cron import instants_between


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def by_cron(line: str, zone: str = "UTC", **more) -> Timetable:
    return Timetable(ByCron(parse_cron(line), get_zone(zone)), get_zone(zone), **more)


def some(timetable: Timetable, after: str, count: int) -> list[str]:
    return [f"{one:%m-%d %H:%M:%S}".removesuffix(":00") for one in islice(timetable.after(at(after)), count)]


@pytest.mark.parametrize(
    ("line", "after", "expected"),
    [
        ("*/15 * * * *", "2026-01-01T00:07", ["01-01 00:15", "01-01 00:30", "01-01 00:45"]),
        ("*/20 * * * * *", "2026-01-01T00:00:05", ["01-01 00:00:20", "01-01 00:00:40", "01-01 00:01"]),
        ("5/20 0 * * *", "2026-01-01T00:00", ["01-01 00:05", "01-01 00:25", "01-01 00:45"]),
        ("0 9-17/4 * * MON-FRI", "2026-01-02T12:00", ["01-02 13:00", "01-02 17:00", "01-05 09:00"]),
        ("0 0 L * *", "2026-01-31T00:00", ["02-28 00:00", "03-31 00:00", "04-30 00:00"]),
        ("0 0 L-2 2 *", "2026-01-01T00:00", ["02-26 00:00", "02-26 00:00", "02-27 00:00"]),
        ("0 0 LW * *", "2026-01-01T00:00", ["01-30 00:00", "02-27 00:00", "03-31 00:00"]),
        ("0 0 1W * *", "2026-01-02T00:00", ["02-02 00:00", "03-02 00:00", "04-01 00:00"]),
        ("0 0 15W 8,11 *", "2026-01-01T00:00", ["08-14 00:00", "11-16 00:00", "08-16 00:00"]),
        ("0 0 * * 5#2", "2026-01-01T00:00", ["01-09 00:00", "02-13 00:00", "03-13 00:00"]),
        ("0 0 * * MON#5", "2026-01-01T00:00", ["03-30 00:00", "06-29 00:00", "08-31 00:00"]),
        ("0 0 * * FRIL", "2026-01-01T00:00", ["01-30 00:00", "02-27 00:00", "03-27 00:00"]),
        ("0 0 * * FRI-SUN", "2026-01-01T00:00", ["01-02 00:00", "01-03 00:00", "01-04 00:00"]),
        ("0 0 29 2 *", "2026-01-01T00:00", ["02-29 00:00", "02-29 00:00", "02-29 00:00"]),
        # Both day fields: one of them is enough, unless one begins with a star.
        ("0 0 13 * FRI", "2026-02-01T00:00", ["02-06 00:00", "02-13 00:00", "02-20 00:00"]),
        ("0 0 */2 * MON", "2026-01-01T00:00", ["01-05 00:00", "01-19 00:00", "02-09 00:00"]),
        ("@daily", "2026-01-01T00:00", ["01-02 00:00", "01-03 00:00", "01-04 00:00"]),
    ],
)
def test_a_cron_line_comes_when_it_says(line, after, expected):
    assert some(by_cron(line), after, 3) == expected


@pytest.mark.parametrize(
    ("line", "field"),
    [
        ("* * * *", None),
        ("* * * * * * *", None),
        ("60 * * * *", "minute"),
        ("* 24 * * *", "hour"),
        ("0 0 0 * *", "day of month"),
        ("0 0 * 13 *", "month"),
        ("0 0 * * 8", "day of week"),
        ("0 0 * * FRY", "day of week"),
        ("0 0 * * L", "day of week"),
        ("0 0 * * 5#6", "day of week"),
        ("0 0 32W * *", "day of month"),
        ("5-1 * * * *", "minute"),
        ("*/0 * * * *", "minute"),
        ("*-5 * * * *", "minute"),
        ("1,,2 * * * *", "minute"),
        ("0 0 31 2 *", None),
        ("0 0 31 4,6 *", None),
        ("0 0 30W 2 *", None),
        ("٣ * * * *", "minute"),
        ("a" * 300, None),
        ("", None),
    ],
)
def test_a_cron_line_that_says_nothing_is_refused_with_its_field(line, field):
    with pytest.raises(InvalidScheduleError) as refused:
        parse_cron(line)
    assert refused.value.details["pointer"] == "/cron_expr"
    assert refused.value.details.get("field") == field


_MINUTES = st.sampled_from(["0", "30", "*/17", "5-9", "59", "0,1,58"])
_HOURS = st.sampled_from(["*", "0", "2", "1-3", "*/5", "23", "1,2"])
_DAYS = st.sampled_from(["*", "?", "1", "31", "L", "L-3", "LW", "1W", "15W", "31W", "*/9", "5-7", "13,L"])
_MONTHS = st.sampled_from(["*", "2", "3,10", "*/4", "JAN-MAR", "9-12"])
_WEEKDAYS = st.sampled_from(["*", "?", "0", "7", "MON-FRI", "5#2", "SUN#5", "3L", "*/3", "SAT,SUN", "1#1,5L"])
_LINES = st.tuples(_MINUTES, _HOURS, _DAYS, _MONTHS, _WEEKDAYS).map(" ".join)
_ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Santiago", "Asia/Kathmandu", "Africa/Casablanca"]


@settings(max_examples=30)
@given(line=_LINES, zone=st.sampled_from(_ZONES))
def test_ten_years_of_random_lines_are_as_a_second_implementation_has_them(line, zone):
    """The second one reads lines in its own way, looks at each day and each minute of the zone's calendar, and at nothing between them."""
    try:
        timetable = by_cron(line, zone)
    except InvalidScheduleError:
        assert instants_between(line, zone, date(2024, 1, 1), date(2034, 1, 1)) == []
        return
    begin, end = (instant_of(datetime.combine(day, time()), get_zone(zone)) for day in (date(2024, 1, 1), date(2034, 1, 1)))
    expected = instants_between(line, zone, date(2024, 1, 1), date(2034, 1, 1))
    assert timetable.between(begin, end - timedelta(seconds=1), most=len(expected) + 1) == expected


_SECONDS = st.sampled_from(["0", "30", "*/20", "58-59", "7,31"])


@settings(max_examples=15)
@given(second=_SECONDS, line=_LINES, zone=st.sampled_from(_ZONES))
def test_a_year_of_random_lines_with_seconds_is_as_a_second_implementation_has_it(second, line, zone):
    first, last = date(2026, 1, 1), date(2027, 1, 1)
    expected = instants_between(f"{second} {line}", zone, first, last)
    try:
        timetable = by_cron(f"{second} {line}", zone)
    except InvalidScheduleError:
        assert expected == []
        return
    begin, end = (instant_of(datetime.combine(day, time()), get_zone(zone)) for day in (first, last))
    assert timetable.between(begin, end - timedelta(seconds=1), most=len(expected) + 1) == expected


BERLIN, NEW_YORK, LORD_HOWE = "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"
# Clocks are put forward at 2026-03-29 01:00 UTC in Berlin, at 2026-03-08 07:00 in New York, and at 2026-10-03 15:30 by half an hour on
# Lord Howe; and back at 2026-10-25 01:00, at 2026-11-01 06:00, and at 2026-04-04 15:00.
CRON = [
    # a time that is missing comes at the end of the gap, once
    (BERLIN, "30 2 * * *", "2026-03-28T12:00", ["03-29 01:00", "03-30 00:30"]),
    (BERLIN, "0,30 2 * * *", "2026-03-28T12:00", ["03-29 01:00", "03-30 00:00"]),
    (BERLIN, "0 2,3 * * *", "2026-03-28T12:00", ["03-29 01:00", "03-30 00:00"]),
    (NEW_YORK, "30 2 * * *", "2026-03-07T12:00", ["03-08 07:00", "03-09 06:30"]),
    (LORD_HOWE, "15 2 * * *", "2026-10-03T00:00", ["10-03 15:30", "10-04 15:15"]),
    # one that comes twice counts the first time
    (BERLIN, "30 2 * * *", "2026-10-24T12:00", ["10-25 00:30", "10-26 01:30"]),
    (NEW_YORK, "30 1 * * *", "2026-10-31T12:00", ["11-01 05:30", "11-02 06:30"]),
    (LORD_HOWE, "45 1 * * *", "2026-04-04T00:00", ["04-04 14:45", "04-05 15:15"]),
    (BERLIN, "*/30 2 * * *", "2026-10-24T12:00", ["10-25 00:00", "10-25 00:30", "10-26 01:00"]),
    # a line for every hour goes by elapsed time
    (BERLIN, "0 * * * *", "2026-03-28T23:30", ["03-29 00:00", "03-29 01:00", "03-29 02:00"]),
    (BERLIN, "30 * * * *", "2026-10-24T23:45", ["10-25 00:30", "10-25 01:30", "10-25 02:30"]),
    (NEW_YORK, "0 * * * *", "2026-03-08T06:30", ["03-08 07:00", "03-08 08:00"]),
    (NEW_YORK, "30 * * * *", "2026-11-01T04:45", ["11-01 05:30", "11-01 06:30", "11-01 07:30"]),
    (LORD_HOWE, "15 * * * *", "2026-10-03T14:00", ["10-03 14:45", "10-03 16:15"]),
    (LORD_HOWE, "45 * * * *", "2026-04-04T14:30", ["04-04 14:45", "04-04 15:15", "04-04 16:15"]),
]


@pytest.mark.parametrize(("zone", "line", "after", "expected"), CRON)
def test_cron_lines_where_clocks_change(zone, line, after, expected):
    assert some(by_cron(line, zone), after, len(expected)) == expected


@pytest.mark.parametrize(
    ("zone", "anchor"),
    [
        (zone, day)
        for zone in (BERLIN, NEW_YORK, LORD_HOWE)
        for day in ("2026-03-08", "2026-03-29", "2026-04-04", "2026-10-25", "2026-11-01")
    ],
)
def test_intervals_count_elapsed_seconds_where_clocks_change(zone, anchor):
    timetable = Timetable(ByInterval(1800, at(anchor)), get_zone(zone))
    assert timetable.between(at(anchor), at(anchor) + timedelta(days=1), most=100) == [
        at(anchor) + timedelta(minutes=30 * number) for number in range(49)
    ]


@pytest.mark.parametrize(
    ("zone", "wall", "expected"),
    [
        (BERLIN, "2026-03-29T02:30:00", "2026-03-29T01:00"),
        (BERLIN, "2026-10-25T02:30:00", "2026-10-25T00:30"),
        (NEW_YORK, "2026-03-08T02:30:00", "2026-03-08T07:00"),
        (NEW_YORK, "2026-11-01T01:30:00", "2026-11-01T05:30"),
        (LORD_HOWE, "2026-10-04T02:10:00", "2026-10-03T15:30"),
        (LORD_HOWE, "2026-04-05T01:40:00", "2026-04-04T14:40"),
        (BERLIN, "2026-10-25T02:30:00+01:00", "2026-10-25T01:30"),
    ],
)
def test_one_offs_where_clocks_change(zone, wall, expected):
    timetable = Timetable(Once(read_instant(wall, get_zone(zone))), get_zone(zone))
    assert list(timetable.after(at("2026-01-01"))) == [at(expected)]


@given(st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1)), st.sampled_from(_ZONES))  # noqa: DTZ001  # on the wall
def test_a_time_on_the_wall_that_exists_stands_for_itself(wall, zone):
    wall = wall.replace(microsecond=0)
    instant = instant_of(wall, get_zone(zone))
    assert wall_of(instant, get_zone(zone)) == wall or wall_of(instant - timedelta(seconds=1), get_zone(zone)) < wall


def test_a_delay_is_fixed_or_grows():
    anchor = at("2026-01-01")

    def seconds(factor: float, most: int, after: int = 0) -> list[int]:
        timetable = Timetable(AfterDelay(10, factor, most, anchor), get_zone("UTC"))
        return [int((one - anchor).total_seconds()) for one in islice(timetable.after(anchor + timedelta(seconds=after)), 5)]

    assert seconds(1.0, 3600) == [10, 20, 30, 40, 50]
    assert seconds(2.0, 3600) == [10, 30, 70, 150, 310]
    assert seconds(2.0, 30) == [10, 30, 60, 90, 120]
    assert seconds(2.0, 3600, after=70) == [150, 310, 630, 1270, 2550]
    assert seconds(2.0, 3600, after=-100) == [10, 30, 70, 150, 310]
    assert seconds(2.0, 5) == [5, 10, 15, 20, 25]


def test_bounds_and_exceptions_leave_out_what_they_name():
    days = parse_exceptions(["2026-12-24/2026-12-26", "01-01", "SUN"], pointer="/exceptions")
    timetable = by_cron("0 9 * * *", BERLIN, exceptions=days, start_at=at("2026-12-23T08:00"), end_at=at("2027-01-02T08:00"))
    assert [one.day for one in timetable.after(at("2026-01-01"))] == [23, 28, 29, 30, 31, 2]
    assert Timetable(ByInterval(1, at("2026-01-01")), get_zone(BERLIN), exceptions=days).next_after(at("2026-12-23T23:00")) == at(
        "2026-12-27T23:00"
    ), "a day is one of the schedule's zone"
    assert by_cron("0 9 25 12 *", exceptions=parse_exceptions(["12-25"], pointer="")).next_after(at("2026-01-01")) is None


@pytest.mark.parametrize("entry", ["2026-02-30", "2026-12-26/2026-12-24", "13-01", "FRIDAY", "", "2026-1-1", "20261224"])
def test_an_exception_that_is_no_day_is_refused_with_its_place(entry):
    with pytest.raises(InvalidScheduleError) as refused:
        parse_exceptions(["2026-12-24", entry], pointer="/exceptions")
    assert refused.value.details["pointer"] == "/exceptions/1"


@pytest.mark.parametrize("zone", ["", "Nowhere/Land", "../etc/passwd", "Europe", "CET+1", "a" * 300, "Europe/Ber\0lin"])
def test_an_unknown_zone_is_refused(zone):
    with pytest.raises(InvalidScheduleError) as refused:
        get_zone(zone)
    assert refused.value.details["pointer"] == "/timezone"


def test_jitter_is_within_its_bound_and_the_same_each_time():
    timetable = by_cron("* * * * *", jitter_seconds=30, seed="one")
    other = by_cron("* * * * *", jitter_seconds=30, seed="other")
    instants = list(islice(timetable.after(at("2026-01-01")), 100))
    delays = [(timetable.fires_at(one) - one).total_seconds() for one in instants]
    assert delays == [(timetable.fires_at(one) - one).total_seconds() for one in instants]
    assert all(0 <= delay < 30 for delay in delays)
    assert len(set(delays)) > 90
    assert delays != [(other.fires_at(one) - one).total_seconds() for one in instants]


MISSED_THREE = [
    (Misfire.SKIP, 0, []),
    (Misfire.FIRE_ONCE, 0, ["01-01 10:02"]),
    (Misfire.CATCH_UP, 2, ["01-01 10:01", "01-01 10:02"]),
    (Misfire.CATCH_UP, 9, ["01-01 10:00", "01-01 10:01", "01-01 10:02"]),
]


@pytest.mark.parametrize(("rule", "n", "expected"), MISSED_THREE)
def test_what_is_too_late_is_started_as_the_rule_says(rule, n, expected):
    due = find_due(
        by_cron("* * * * *"),
        first=at("2026-01-01T10:00"),
        now=at("2026-01-01T10:02:50"),
        grace=timedelta(seconds=30),
        misfire=rule,
        catch_up=n,
    )
    assert [f"{one:%m-%d %H:%M}" for one in due.start] == expected
    assert len(due.missed) == 3
    assert due.next == at("2026-01-01T10:03")


@pytest.mark.parametrize("rule", list(Misfire))
def test_what_is_in_time_is_started_whatever_the_rule(rule):
    everysecond = Timetable(ByInterval(1, at("2026-01-01")), ZoneInfo("UTC"))
    now = at("2026-01-01T00:01")
    due = find_due(everysecond, first=now - timedelta(seconds=3), now=now, grace=timedelta(seconds=5), misfire=rule, catch_up=1)
    assert (len(due.start), due.missed, due.next) == (4, (), now + timedelta(seconds=1))


def test_years_of_missed_seconds_are_found_at_once():
    everysecond = Timetable(ByInterval(1, at("2020-01-01")), ZoneInfo("UTC"), exceptions=Exceptions())
    now = at("2026-01-01")
    due = find_due(everysecond, first=at("2020-01-02"), now=now, grace=timedelta(0), misfire=Misfire.CATCH_UP, catch_up=3)
    assert due.start == (now - timedelta(seconds=2), now - timedelta(seconds=1), now)
    assert len(due.missed) == MAX_CATCH_UP - 1
    assert due.next == now + timedelta(seconds=1)
