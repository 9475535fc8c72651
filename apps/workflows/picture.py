"""A definition as a picture, coloured by what its nodes have come to where it has run."""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Any
from unicodedata import east_asian_width

from apps.workflows.layout import Layout, Place, lay_out

MAX_NODES = 400  # a larger graph is no picture any more
BOX_WIDTH, BOX_HEIGHT = 172, 54
COLUMN_WIDTH, ROW_HEIGHT = 228, 80
MARGIN = 12
LABEL_LENGTH = 18  # in Latin letters; a Chinese one is as wide as two


@dataclass(frozen=True, slots=True)
class Look:
    """How a status looks. label   a word; icon   name of a Material symbol; tone   calm, wait, move, good, bad, ask or none"""

    label: str
    icon: str
    tone: str


NOT_BEGUN = Look("not begun", "radio_button_unchecked", "none")
PLAIN = Look("", "", "calm")


@dataclass(frozen=True, slots=True)
class Box:
    """x, y   of the upper left corner, in pixels; url   "" where there is nothing to open"""

    key: str
    label: str
    type: str
    x: float
    y: float
    look: Look
    url: str

    width = BOX_WIDTH
    height = BOX_HEIGHT


@dataclass(frozen=True, slots=True)
class Line:
    """path   of an SVG path element; state   open, live or dead; label   the port, "" for `out`; label_x, label_y   the middle of it"""

    path: str
    state: str
    label: str
    label_x: float
    label_y: float


@dataclass(frozen=True, slots=True)
class Picture:
    """width, height   in pixels; legend   the looks that occur, none for a definition drawn for itself"""

    width: float
    height: float
    boxes: Sequence[Box]
    lines: Sequence[Line]
    legend: Sequence[Look]


def picture_of(
    definition: Mapping[str, Any],
    *,
    looks: Mapping[str, Look] | None = None,
    taken: Mapping[str, str | None] | None = None,
    urls: Mapping[str, str] | None = None,
) -> Picture | None:
    """Draw a validated definition; None when it is too large.

    looks   {node key: look} of the nodes that have begun; None for a definition that is drawn for itself, without statuses
    taken   {node key: port that its outcome named} of the nodes that have settled
    urls    {node key: what a click opens}
    """
    nodes, edges = definition["nodes"], definition.get("edges", [])
    if len(nodes) > MAX_NODES:
        return None
    layout = lay_out([node["key"] for node in nodes], [(edge["source"], edge["target"]) for edge in edges])
    look_of = {node["key"]: PLAIN if looks is None else looks.get(node["key"], NOT_BEGUN) for node in nodes}
    boxes = [_box(node, layout, look_of[node["key"]], (urls or {}).get(node["key"], "")) for node in nodes]
    lines = [_line(edge, route, layout, taken or {}) for edge, route in zip(edges, layout.routes, strict=True)]
    legend = {look.label: look for look in look_of.values()} if looks is not None else {}
    width = 2 * MARGIN + (layout.columns - 1) * COLUMN_WIDTH + BOX_WIDTH
    return Picture(width, 2 * _middle(layout), boxes, lines, list(legend.values()))


def _middle(layout: Layout) -> float:
    return MARGIN + layout.reach * ROW_HEIGHT + BOX_HEIGHT / 2


def _box(node: Mapping[str, Any], layout: Layout, look: Look, url: str) -> Box:
    place = layout.places[node["key"]]
    return Box(
        key=node["key"],
        label=_short(node.get("name") or node["key"]),
        type=_short(node["type"]),
        x=MARGIN + place.column * COLUMN_WIDTH,
        y=_middle(layout) + place.row * ROW_HEIGHT - BOX_HEIGHT / 2,
        look=look,
        url=url,
    )


def _short(text: str) -> str:
    ends = list(accumulate(2 if east_asian_width(letter) in "WF" else 1 for letter in text))
    return text if not ends or ends[-1] <= LABEL_LENGTH else text[: bisect_left(ends, LABEL_LENGTH)] + "…"


def _line(edge: Mapping[str, Any], route: Sequence[Place], layout: Layout, taken: Mapping[str, str | None]) -> Line:
    port = edge.get("port", "out")
    (x, y), (next_x, next_y) = _left_of(route[0], layout), _left_of(route[1], layout)
    label = "" if port == "out" else port
    state = ("live" if taken[edge["source"]] == port else "dead") if edge["source"] in taken else "open"
    return Line(_curve(route, layout), state, label, (x + BOX_WIDTH + next_x) / 2, (y + next_y) / 2)


def _left_of(place: Place, layout: Layout) -> tuple[float, float]:
    """The middle of the left side of the box, or gap, at a place."""
    return MARGIN + place.column * COLUMN_WIDTH, _middle(layout) + place.row * ROW_HEIGHT


def _curve(route: Sequence[Place], layout: Layout) -> str:
    """From the right side of the first box to the left side of the last, straight through the gaps between."""
    lefts = [_left_of(place, layout) for place in route]
    strokes: list[str] = []
    for (x, y), (next_x, next_y) in pairwise(lefts):
        bend = (next_x - x - BOX_WIDTH) / 2
        begin = "M" if not strokes else "L"
        strokes.append(f"{begin}{x + BOX_WIDTH:g} {y:g}C{next_x - bend:g} {y:g} {x + BOX_WIDTH + bend:g} {next_y:g} {next_x:g} {next_y:g}")
    return " ".join(strokes)
