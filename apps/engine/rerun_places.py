"""What a re-run asks for in loops: places, as `key[3.7]`, and the levels that they lie in. Pure."""

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from apps.engine.graph import Graph
from apps.engine.reruns import Level, UnknownNodeError

_PLACE = re.compile(r"([A-Za-z_$][A-Za-z0-9_]*)(?:\[((?:0|[1-9]\d{0,5})(?:\.(?:0|[1-9]\d{0,5}))*)\])?")


@dataclass(frozen=True, slots=True)
class Place:
    """A node of an execution, or a loop of which `path` names an iteration; `path` is "" outside of loops, "3.7" in two."""

    key: str
    path: str = ""

    def __str__(self) -> str:
        return f"{self.key}[{self.path}]" if self.path else self.key

    @staticmethod
    def parse(text: str) -> "Place":
        """Read `key` or `key[3.7]`. Raises UnknownNodeError."""
        found = _PLACE.fullmatch(text)
        if found is None:
            raise UnknownNodeError(
                f"Expected the key of a node, or a key with a path such as step[3], found '{text[:80]}'.", nodes=[text[:80]]
            )
        return Place(found[1], found[2] or "")


class Wish:
    """What is to run again, level by level.

    starts      {level: keys to run again}
    edited      {level: keys whose output is given}
    opened      {level: loops in which something is asked for}
    iterations  {(loop, its path): {numbers}} of those in which something is asked for
    goes_on     levels to be taken up where they failed or were stopped
    """

    def __init__(self, graph: Graph, *, is_from_failed: bool) -> None:
        self._graph = graph
        self.is_from_failed = is_from_failed
        self.starts: defaultdict[Level, set[str]] = defaultdict(set)
        self.edited: defaultdict[Level, set[str]] = defaultdict(set)
        self.opened: defaultdict[Level, set[str]] = defaultdict(set)
        self.iterations: defaultdict[tuple[str, str], set[int]] = defaultdict(set)
        self.goes_on: set[Level] = set()

    def run_node(self, place: Place) -> None:
        """Run a node again, and what comes after it."""
        level = self._level(place)
        self._open(level)
        self.starts[level].add(place.key)

    def give_output(self, place: Place) -> None:
        level = self._level(place)
        self._open(level)
        self.edited[level].add(place.key)

    def run_iteration(self, place: Place) -> None:
        """Run a whole iteration again, from its first nodes."""
        level = iteration_level(self._graph, place)
        self._open(level)
        self.starts[level].update(self._graph.loops[place.key].entries)

    def go_on(self, place: Place) -> None:
        """Take an iteration up where it failed or was stopped."""
        level = iteration_level(self._graph, place)
        self._open(level)
        self.goes_on.add(level)

    def _level(self, place: Place) -> Level:
        node = self._graph.nodes.get(place.key)
        if node is None or place.key.startswith("$") or node.depth != _depth(place.path):
            raise _unknown(self._graph, place)
        return Level(node.parent, place.path)

    def _open(self, level: Level) -> None:
        for loop, path, index in _iterations_around(self._graph, level):
            self.iterations[loop, path].add(index)
            self.opened[Level(self._graph.nodes[loop].parent, path)].add(loop)


def iteration_level(graph: Graph, place: Place) -> Level:
    """The level of the iteration that `path` names of the loop `key`. Raises UnknownNodeError."""
    if place.key not in graph.loops or graph.nodes[place.key].depth + 1 != _depth(place.path):
        raise _unknown(graph, place, is_iteration=True)
    return Level(place.key, place.path)


def _iterations_around(graph: Graph, level: Level) -> Iterator[tuple[str, str, int]]:
    loop, path = level.loop, level.path
    while loop is not None:
        path, _, index = path.rpartition(".")
        yield loop, path, int(index)
        loop = graph.nodes[loop].parent


def _depth(path: str) -> int:
    return path.count(".") + 1 if path else 0


def _unknown(graph: Graph, place: Place, *, is_iteration: bool = False) -> UnknownNodeError:
    node = graph.nodes.get(place.key)
    if node is None or place.key.startswith("$"):
        message = f"The version has no node '{place.key}'."
    elif is_iteration and place.key not in graph.loops:
        message = f"'{place.key}' is no loop."
    else:
        wanted = node.depth + is_iteration
        message = f"Expected a path with {wanted} {'number' if wanted == 1 else 'numbers'} for '{place.key}', found '{place.path}'."
    return UnknownNodeError(message, nodes=[str(place)])
