"""Where to draw the nodes of a graph: columns from left to right, lines that cross little and pass beside nodes, not behind them.

Source: layered drawing, Sugiyama, Tagawa and Toda 1981: levels by longest path, points in between for long edges, order by the mean of
the neighbours.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

SWEEPS = 6

# A node, or a point in between at which an edge (by its index) passes a level.
Slot = str | tuple[int, int]
Edge = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Place:
    """column   from 0; row   from 0 in the middle, may be negative and halves"""

    column: int
    row: float


@dataclass(frozen=True, slots=True)
class Layout:
    """places   {node key: place}; routes   for each edge the places that its line passes, ends included"""

    places: Mapping[str, Place]
    routes: Sequence[Sequence[Place]]

    @property
    def columns(self) -> int:
        return max((place.column for place in self.places.values()), default=-1) + 1


def lay_out(keys: Sequence[str], edges: Sequence[Edge]) -> Layout:
    """Lay out an acyclic graph whose edges name known keys. The same graph always looks the same."""
    levels = _levels(keys, edges)
    chains = [_chain(index, edge, levels) for index, edge in enumerate(edges)]
    columns = _columns(levels, chains)
    neighbours: dict[Slot, list[Slot]] = defaultdict(list)
    for chain in chains:
        for one, other in pairwise(chain):
            neighbours[one].append(other)
            neighbours[other].append(one)
    _untangle(columns, neighbours)
    places = {slot: Place(column, index - (len(slots) - 1) / 2) for column, slots in enumerate(columns) for index, slot in enumerate(slots)}
    return Layout({key: places[key] for key in keys}, [[places[slot] for slot in chain] for chain in chains])


def _levels(keys: Sequence[str], edges: Sequence[Edge]) -> dict[str, int]:
    """The longest way from a node without in-edges."""
    targets: dict[str, list[str]] = defaultdict(list)
    waiting = dict.fromkeys(keys, 0)
    for source, target in edges:
        targets[source].append(target)
        waiting[target] += 1
    levels = dict.fromkeys(keys, 0)
    ready = [key for key in keys if not waiting[key]]
    for key in ready:
        for target in targets[key]:
            levels[target] = max(levels[target], levels[key] + 1)
            waiting[target] -= 1
            if not waiting[target]:
                ready.append(target)
    return levels


def _chain(index: int, edge: Edge, levels: Mapping[str, int]) -> list[Slot]:
    """The slots that an edge passes, from its source to its target."""
    source, target = edge
    return [source, *((index, level) for level in range(levels[source] + 1, levels[target])), target]


def _columns(levels: Mapping[str, int], chains: Sequence[Sequence[Slot]]) -> list[list[Slot]]:
    columns: list[list[Slot]] = [[] for _ in range(max(levels.values(), default=-1) + 1)]
    for key, level in levels.items():
        columns[level].append(key)
    for chain in chains:
        for slot in chain[1:-1]:
            columns[slot[1]].append(slot)  # type: ignore[index]  # the inner slots are points in between
    return columns


def _untangle(columns: list[list[Slot]], neighbours: Mapping[Slot, Sequence[Slot]]) -> None:
    """Order each column by the mean place of the neighbours in the column before it, then, going back, in the one after."""
    for sweep in range(SWEEPS):
        order = range(1, len(columns)) if sweep % 2 == 0 else range(len(columns) - 2, -1, -1)
        step = -1 if sweep % 2 == 0 else 1
        for column in order:
            beside = {slot: index - (len(columns[column + step]) - 1) / 2 for index, slot in enumerate(columns[column + step])}
            middle = (len(columns[column]) - 1) / 2
            mean = {
                slot: _mean([beside[each] for each in neighbours[slot] if each in beside], index - middle)
                for index, slot in enumerate(columns[column])
            }
            columns[column].sort(key=mean.__getitem__)


def _mean(rows: Sequence[float], otherwise: float) -> float:
    return sum(rows) / len(rows) if rows else otherwise
