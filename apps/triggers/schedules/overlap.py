"""What becomes of a run whose schedule still has one that has not ended: the rule of the schedule, as a decision without a database."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from apps.triggers.models import Schedule

MAX_WAITING = 100
Rule = Schedule.Overlap


@dataclass(frozen=True, slots=True)
class Decision:
    """Instants by what is done with them, in order of time.

    skip             {instant: reason}
    drops_waiting    those that have waited until now are dropped as superseded
    """

    start: tuple[datetime, ...] = ()
    wait: tuple[datetime, ...] = ()
    skip: dict[datetime, str] = field(default_factory=dict)
    drops_waiting: bool = False


def decide(rule: str, instants: Sequence[datetime], *, is_open: bool, waiting: int) -> Decision:
    """instants: to be started, in order of time; is_open: an execution of the schedule has not ended; waiting: runs that wait for it."""
    if not instants or rule == Rule.ALLOW:
        return Decision(start=tuple(instants))
    is_busy = is_open or waiting > 0
    if rule == Rule.SKIP:
        start = () if is_busy else tuple(instants[:1])
        return Decision(start=start, skip=dict.fromkeys(instants[len(start) :], "overlap"))
    if rule == Rule.QUEUE:
        start = () if is_busy else tuple(instants[:1])
        rest = instants[len(start) :]
        room = max(0, MAX_WAITING - waiting)
        return Decision(start=start, wait=tuple(rest[:room]), skip=dict.fromkeys(rest[room:], "queue_full"))
    newest = tuple(instants[-1:])
    superseded = dict.fromkeys(instants[:-1], "superseded")
    if is_busy:
        return Decision(wait=newest, skip=superseded, drops_waiting=waiting > 0)
    return Decision(start=newest, skip=superseded)
