"""What a re-run takes over of loops, and where it takes them up again: the plan of each level, from the outermost. Pure.

An iteration that is not reopened is known by its number alone, so that a loop of ten thousand costs what of it runs again.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from apps.engine.planner import Settled
from apps.engine.rerun_places import Place, Wish
from apps.engine.reruns import OUTSIDE, Compiled, EditedNodeRunsAgainError, Level, NotReachedError, RerunPlan, plan_rerun
from apps.engine.statuses import NodeRunStatus

FAILED = "failed"
Ends = Mapping[str, Settled]
Run = tuple[str, str]  # key and path of a loop


@dataclass(frozen=True, slots=True)
class LoopEnd:
    """How far a loop had come.

    total     iterations that there were to be, as far as was known
    begun     iterations that had begun
    collects  a failed iteration had not ended it
    asks      each iteration was about the output of the one before
    left      {number: status} of the iterations that had begun and not ended well
    """

    total: int
    begun: int
    collects: bool
    asks: bool
    left: Mapping[int, str]


class Ended(Protocol):
    """What is known of the ended execution; many levels are asked for at once."""

    def ends(self, loop: str, paths: Collection[str]) -> Mapping[str, Ends]:
        """{path of an iteration: {key of a node of the body: how its run ended}}."""

    def loops(self, key: str, paths: Collection[str]) -> Mapping[str, LoopEnd]:
        """{path: how far it had come} of the runs of a loop that had begun."""


@dataclass(frozen=True, slots=True)
class LoopAgain:
    """A loop that is taken up again.

    end      how far it had come
    again    iterations that go on; the others are taken over as they ended
    before   of a loop that asks: it goes on before this one, and those from it on are left out
    """

    key: str
    path: str
    end: LoopEnd
    again: tuple[int, ...]
    before: int | None

    @property
    def has_more(self) -> bool:
        """Whether iterations may begin that had not."""
        return self.end.asks or self.end.begun < self.end.total

    def reads(self, index: int) -> bool:
        """Whether anything is still to run in this iteration."""
        return index in self.again or (not self.end.asks and self.end.begun <= index < self.end.total)


@dataclass(frozen=True, slots=True)
class IterationsAgain:
    """Iterations of one loop that go on in the same way."""

    loop: str
    plan: RerunPlan
    paths: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class RerunTree:
    """The whole of a re-run.

    outer       what is outside of loops
    loops       those that are taken up again
    whole       key and path of loops that are taken over with all that is in them; those inside of them are not named
    iterations  of loops that are taken up again
    """

    outer: RerunPlan
    loops: tuple[LoopAgain, ...] = ()
    whole: tuple[Run, ...] = ()
    iterations: tuple[IterationsAgain, ...] = ()


def plan_tree(old: Compiled, new: Compiled, outer: Ends, ended: Ended, wish: Wish) -> RerunTree:
    """Say what a re-run reuses and runs, at each level that it touches. `outer`: how the nodes outside loops ended.

    Raises what `plan_rerun` raises.
    """
    return _Planning(old, new, ended, wish).plan(outer)


class _Planning:
    def __init__(self, old: Compiled, new: Compiled, ended: Ended, wish: Wish) -> None:
        self._old, self._new, self._ended, self._wish = old, new, ended, wish
        self._loops: list[LoopAgain] = []
        self._whole: list[Run] = []
        self._shapes: dict[object, IterationsAgain] = {}
        self._seen: set[Level] = {OUTSIDE}

    def plan(self, outer: Ends) -> RerunTree:
        wish = self._wish
        chosen = None if wish.is_from_failed else frozenset(wish.starts.get(OUTSIDE, ()))
        plan = self._plan_level(OUTSIDE, outer, chosen)
        reopened = self._follow(plan, OUTSIDE)
        while reopened:
            reopened = self._plan_loops(reopened)
        self._check_edited()
        return RerunTree(plan, tuple(self._loops), tuple(self._whole), tuple(self._shapes.values()))

    def _plan_loops(self, reopened: Iterable[Run]) -> list[Run]:
        """Plan the iterations of these loops; returns the loops in them that are taken up again."""
        paths: defaultdict[str, list[str]] = defaultdict(list)
        for key, path in reopened:
            paths[key].append(path)
        inner: list[Run] = []
        for key in paths:
            found = self._ended.loops(key, paths[key])
            again: dict[str, str | None] = {}  # {path of an iteration: its status; None: it ended well}
            for path in paths[key]:
                again |= self._open_loop(key, path, found.get(path))
            ends = self._ended.ends(key, list(again)) if again else {}
            for path, status in again.items():
                inner += self._plan_iteration(Level(key, path), ends.get(path, {}), has_ended_well=status is None)
        return inner

    def _open_loop(self, key: str, path: str, end: LoopEnd | None) -> dict[str, str | None]:
        """The iterations of a loop that go on."""
        asked = self._wish.iterations.get((key, path), set())
        if missing := [index for index in asked if end is None or index >= end.begun]:
            places = [str(Place(key, _below(path, index))) for index in sorted(missing)]
            raise NotReachedError(
                f"The execution has not come to {', '.join(places[:20])}.", nodes=[{"key": one, "waits_for": []} for one in places]
            )
        if end is None:
            return {}
        again = sorted(asked.union(self._left(end)))
        if end.asks and again:
            again = again[:1]  # the iterations after it are about what it makes
        self._loops.append(LoopAgain(key, path, end, tuple(again), again[0] + 1 if end.asks and again else None))
        return {_below(path, index): end.left.get(index) for index in again}

    def _left(self, end: LoopEnd) -> Iterable[int]:
        """The iterations that go on unasked. A failure that the loop has collected stays, unless all that failed is to run again."""
        return (index for index, status in end.left.items() if status != FAILED or not end.collects or self._wish.is_from_failed)

    def _plan_iteration(self, level: Level, ends: Ends, *, has_ended_well: bool) -> list[Run]:
        self._seen.add(level)
        wish = self._wish
        if level in wish.starts:
            chosen: frozenset[str] | None = frozenset(wish.starts[level])
        else:
            chosen = frozenset() if has_ended_well and level not in wish.goes_on else None
        edited, opened = self._asked(level)
        shape = (level.loop, frozenset(ends.items()), chosen, edited, opened)
        if shape not in self._shapes:
            self._shapes[shape] = IterationsAgain(str(level.loop), self._plan_level(level, ends, chosen))
        self._shapes[shape].paths.append(level.path)
        return self._follow(self._shapes[shape].plan, level)

    def _plan_level(self, level: Level, ends: Ends, chosen: frozenset[str] | None) -> RerunPlan:
        edited, opened = self._asked(level)
        return plan_rerun(self._old, self._new, ends, chosen=chosen, edited=edited, opened=opened - (chosen or frozenset()), level=level)

    def _asked(self, level: Level) -> tuple[frozenset[str], frozenset[str]]:
        return frozenset(self._wish.edited.get(level, ())), frozenset(self._wish.opened.get(level, ()))

    def _follow(self, plan: RerunPlan, level: Level) -> list[Run]:
        """Note the loops that are taken over; returns those that are taken up again."""
        loops, edited = self._new.graph.loops, self._wish.edited.get(level, ())
        reused = (key for key, end in plan.reused.items() if key in loops and end.status is not NodeRunStatus.SKIPPED)
        self._whole += [(key, level.path) for key in reused if key not in edited]
        return [(key, level.path) for key in plan.reopened]

    def _check_edited(self) -> None:
        """An output was given in an iteration that is not taken up: what is around it begins anew."""
        if lost := sorted(level.label(key) for level, keys in self._wish.edited.items() if level not in self._seen for key in keys):
            names = ", ".join(f"'{name}'" for name in lost[:20])
            raise EditedNodeRunsAgainError(f"The output of {names} is given, but a loop around it begins anew.", nodes=lost)


def _below(path: str, index: int) -> str:
    return f"{path}.{index}" if path else str(index)
