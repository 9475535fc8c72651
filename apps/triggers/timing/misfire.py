"""What to start of that which is due: everything, unless some of it is too late."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import takewhile

from apps.triggers.timing.timetable import Timetable

MAX_CATCH_UP = 1000


class Misfire(StrEnum):
    """What becomes of the instants that were missed: none is started, one for all of them, or the newest n."""

    SKIP = "skip"
    FIRE_ONCE = "fire_once"
    CATCH_UP = "catch_up"


@dataclass(frozen=True, slots=True)
class Due:
    """What is due, in order of time.

    start    instants to be started
    missed   instants that came too late, whether or not they are started all the same; of more than MAX_CATCH_UP only the newest
    next     the instant after all these; None: never again
    """

    start: tuple[datetime, ...]
    missed: tuple[datetime, ...]
    next: datetime | None


def find_due(timetable: Timetable, *, first: datetime, now: datetime, grace: timedelta, misfire: Misfire, catch_up: int = 0) -> Due:
    """Say what is due at `now`.

    first      the instant that was next until now; it is due
    grace      one that fires later than so is missed. Where none is, all that is due is started, whatever the rule says
    catch_up   how many of the due instants the rule CATCH_UP starts at most
    """
    due = _due(timetable, first, now)
    missed = tuple(instant for instant in due if now - timetable.fires_at(instant) > grace)
    chosen = due
    if missed and misfire is Misfire.SKIP:
        chosen = [instant for instant in due if instant not in missed]
    elif missed:
        chosen = due[-1:] if misfire is Misfire.FIRE_ONCE else due[-min(catch_up, MAX_CATCH_UP) :]
    return Due(tuple(chosen), missed, timetable.next_after(due[-1]))


def _due(timetable: Timetable, first: datetime, now: datetime) -> list[datetime]:
    """`first` and the newest instants after it that should have fired by `now`."""
    due = [first]
    for instant in takewhile(lambda one: timetable.fires_at(one) <= now, timetable.after(first)):
        due.append(instant)
        if len(due) > MAX_CATCH_UP:
            return _newest(timetable, first, now)
    return due


def _newest(timetable: Timetable, first: datetime, now: datetime) -> list[datetime]:
    """The newest MAX_CATCH_UP of very many: those within a window that is doubled until it holds as many."""
    window = timedelta(seconds=MAX_CATCH_UP)
    while True:
        start = max(first, now - window)
        found = list(takewhile(lambda one: timetable.fires_at(one) <= now, timetable.after(start)))
        if len(found) >= MAX_CATCH_UP or start == first:
            return found[-MAX_CATCH_UP:]
        window *= 2
