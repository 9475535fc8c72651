"""Where the boxes of a graph lie, in pixels: a loop is a frame around its body, which is laid out as a graph of its own."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from apps.workflows.layout import Edge, Layout, Place, lay_out

BOX_WIDTH, BOX_HEIGHT = 172, 54
COLUMN_GAP, ROW_GAP = 56, 26
FRAME_HEAD, FRAME_EDGE = 56, 18  # above the body for the name of the loop; beside and beneath it

Size = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Area:
    """x, y   of the upper left corner"""

    x: float
    y: float
    width: float
    height: float

    @property
    def right(self) -> float:
        return self.x + self.width

    @property
    def middle(self) -> float:
        return self.y + self.height / 2

    def moved(self, right: float, down: float) -> "Area":
        return replace(self, x=self.x + right, y=self.y + down)


@dataclass(frozen=True, slots=True)
class Level:
    """Nodes that lie beside each other, with all that is inside of them.

    boxes, frames   {node key: area}; an outer frame stands before those inside of it
    routes          {index of an edge: areas that its line passes, ends included}
    """

    width: float
    height: float
    boxes: Mapping[str, Area]
    frames: Mapping[str, Area]
    routes: Mapping[int, Sequence[Area]]

    def moved(self, right: float, down: float) -> "Level":
        return replace(
            self,
            boxes={key: area.moved(right, down) for key, area in self.boxes.items()},
            frames={key: area.moved(right, down) for key, area in self.frames.items()},
            routes={index: [area.moved(right, down) for area in route] for index, route in self.routes.items()},
        )


class Arranger:
    """Arranges the nodes of a definition.

    head_widths   {key of a loop: pixels that what stands above its body needs}
    """

    def __init__(self, nodes: Sequence[Mapping[str, Any]], edges: Sequence[Edge], head_widths: Mapping[str, float]) -> None:
        self._edges = edges
        self._head_widths = head_widths
        self._parents = {node["key"]: node.get("parent") for node in nodes}

    @cached_property
    def _bodies(self) -> Mapping[str | None, Sequence[str]]:
        """{loop, None outside of loops: keys of its nodes}"""
        bodies: dict[str | None, list[str]] = defaultdict(list)
        for key, parent in self._parents.items():
            bodies[parent].append(key)
        return bodies

    @cached_property
    def _lines(self) -> Mapping[str | None, Sequence[int]]:
        """{loop, None outside of loops: indexes of the edges between nodes of its body}"""
        lines: dict[str | None, list[int]] = defaultdict(list)
        for index, (source, target) in enumerate(self._edges):
            if self._parents[source] == self._parents[target]:
                lines[self._parents[source]].append(index)
        return lines

    def level(self, parent: str | None = None) -> Level:
        """The nodes with this parent."""
        keys, lines = self._bodies.get(parent, []), self._lines.get(parent, [])
        insides = {key: self.level(key) for key in keys if key in self._bodies}
        sizes = {key: self._frame_size(key, insides[key]) if key in insides else (BOX_WIDTH, BOX_HEIGHT) for key in keys}
        layout = lay_out(keys, [self._edges[index] for index in lines])
        cells = _cells(layout, sizes)
        areas = {key: _centred(cells[place], sizes[key][0]) for key, place in layout.places.items()}
        placed = [_inside(areas[key], inside) for key, inside in insides.items()]
        boxes = {key: area for key, area in areas.items() if key not in insides}
        frames = {key: areas[key] for key in insides}
        routes: dict[int, Sequence[Area]] = {}
        for index, route in zip(lines, layout.routes, strict=True):
            source, target = self._edges[index]
            routes[index] = [areas[source], *(cells[place] for place in route), areas[target]]
        for each in placed:
            boxes |= each.boxes
            frames |= each.frames
            routes |= each.routes
        return Level(*_extent(cells.values()), boxes, frames, routes)

    def _frame_size(self, key: str, inside: Level) -> Size:
        width = max(inside.width + 2 * FRAME_EDGE, self._head_widths.get(key, 0))
        return width, FRAME_HEAD + inside.height + FRAME_EDGE


def _cells(layout: Layout, sizes: Mapping[str, Size]) -> Mapping[Place, Area]:
    """What each place of a layout takes up: as wide as its column, as high as what stands there."""
    size_at = {place: sizes[key] for key, place in layout.places.items()}
    every = {*layout.places.values(), *(place for route in layout.routes for place in route)}
    columns: list[list[Place]] = [[] for _ in range(layout.columns)]
    for place in sorted(every, key=lambda place: place.row):
        columns[place.column].append(place)
    cells: dict[Place, Area] = {}
    x = 0.0
    for column in columns:
        width = max(size_at.get(place, (BOX_WIDTH, 0))[0] for place in column)
        heights = [size_at.get(place, (0, BOX_HEIGHT))[1] for place in column]
        y = -(sum(heights) + ROW_GAP * (len(heights) - 1)) / 2
        for place, height in zip(column, heights, strict=True):
            cells[place] = Area(x, y, width, height)
            y += height + ROW_GAP
        x += width + COLUMN_GAP
    top = min((cell.y for cell in cells.values()), default=0)
    return {place: cell.moved(0, -top) for place, cell in cells.items()}


def _centred(cell: Area, width: float) -> Area:
    return replace(cell, x=cell.x + (cell.width - width) / 2, width=width)


def _inside(frame: Area, body: Level) -> Level:
    return body.moved(frame.x + (frame.width - body.width) / 2, frame.y + FRAME_HEAD)


def _extent(cells: Iterable[Area]) -> Size:
    """Width and height of what begins at 0, 0."""
    known = list(cells)
    return max((cell.right for cell in known), default=0), max((cell.y + cell.height for cell in known), default=0)
