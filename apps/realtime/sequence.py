"""Put numbered messages back into order."""

from collections.abc import Mapping
from typing import Any

MAX_HELD = 100  # messages that wait for an earlier one; what comes beyond is left to the next snapshot


class Sequence:
    """What a follower has seen of one history, and what it holds back until an earlier message comes.

    Two workers that settle nodes of one execution at the same time publish in either order, so a gap is mostly a matter of milliseconds.
    newest   number of the newest message passed on, None before the first snapshot
    """

    def __init__(self) -> None:
        self.newest: int | None = None
        self._held: dict[int, Mapping[str, Any]] = {}

    @property
    def has_gap(self) -> bool:
        return bool(self._held)

    def start_at(self, newest: int) -> list[Mapping[str, Any]]:
        """Take over from a snapshot; returns the held messages that now follow."""
        self.newest = newest
        return self._following()

    def take(self, message: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        """The messages that can be passed on, now that `message` has come: none, this one, or this one and those that it was missing for.

        A message without a number is a hint, and passes at once. Before the first snapshot nothing passes: the snapshot will contain it.
        """
        if self.newest is None:
            return []
        if (number := message["sequence"]) is None:
            return [message]
        if number > self.newest and (len(self._held) < MAX_HELD or number == self.newest + 1):
            self._held[number] = message
        return self._following()

    def _following(self) -> list[Mapping[str, Any]]:
        assert self.newest is not None
        ready = []
        while (message := self._held.pop(self.newest + 1, None)) is not None:
            self.newest += 1
            ready.append(message)
        self._held = {number: message for number, message in self._held.items() if number > self.newest}
        return ready
