"""A definition as a picture, coloured by what its nodes have come to where it has run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from apps.workflows.arrange import Area, Arranger, Level
from apps.workflows.lettering import shorten, width_of

MAX_NODES = 400  # a larger graph is no picture any more
MARGIN = 12
NAME_SIZE, DETAIL_SIZE, PORT_SIZE = 13, 12, 11  # of letters, in pixels
TEXT_BEGINS, TEXT_BEGINS_BESIDE_ICON, _TEXT_ENDS = 18, 42, 10  # from the left side of a box; before the right one
_PORT_WIDTH = 50  # what fits between two boxes


@dataclass(frozen=True, slots=True)
class Look:
    """How a status looks. label   a word; icon   name of a Material symbol; tone   calm, wait, move, good, bad, ask or none"""

    label: str
    icon: str
    tone: str


NOT_BEGUN = Look("not begun", "radio_button_unchecked", "none")
PLAIN = Look("", "", "calm")


@dataclass(frozen=True, slots=True)
class Standing:
    """What a node has come to.

    look         of its status; of a node in a loop, of the worst status that it has
    words        what is said of it, all that there is to say
    short        the same where there is little room
    ports        that its outcomes named
    is_settled   nothing more will be said of its ports
    url          what a click opens
    iterations   of a loop: how far it has come; "" of other nodes
    failures     of a loop: how many iterations failed, as text; "" where none did
    iterations_url   what a click on these two opens
    """

    look: Look
    words: str
    short: str
    ports: frozenset[str | None] = frozenset()
    is_settled: bool = False
    url: str = ""
    iterations: str = ""
    failures: str = ""
    iterations_url: str = ""


_UNKNOWN = Standing(PLAIN, "", "")
_AHEAD = Standing(NOT_BEGUN, NOT_BEGUN.label, NOT_BEGUN.label)


@dataclass(frozen=True, slots=True)
class Box:
    """A node, or the frame of a loop around its body.

    label, detail   the two lines in it, as far as they fit: its name; what it has come to, or its type where nothing has run
    """

    key: str
    label: str
    detail: str
    type: str
    area: Area
    standing: Standing

    @property
    def look(self) -> Look:
        return self.standing.look


@dataclass(frozen=True, slots=True)
class Line:
    """A line from port to node.

    path     of an SVG path element; end_x, end_y   where it ends
    state    open, live or dead
    label    the port as far as it fits, "" for `out`; label_x, label_y   the middle of it
    """

    path: str
    end_x: float
    end_y: float
    state: str
    port: str
    label: str
    label_x: float
    label_y: float


@dataclass(frozen=True, slots=True)
class Picture:
    """width, height   in pixels; frames   of loops, the outer before the inner; legend   the looks that occur, none for a definition drawn
    for itself; summary   what it shows, in words; has_links   something in it can be opened
    """

    width: float
    height: float
    boxes: Sequence[Box]
    frames: Sequence[Box]
    lines: Sequence[Line]
    legend: Sequence[Look]
    summary: str

    @property
    def has_links(self) -> bool:
        return any(box.standing.url for box in (*self.boxes, *self.frames))


def picture_of(definition: Mapping[str, Any], *, standings: Mapping[str, Standing] | None = None) -> Picture | None:
    """Draw a validated definition; None when it is too large.

    standings   {node key: what it has come to} of the nodes that have begun; None for a definition drawn for itself, without statuses
    """
    nodes, edges = definition["nodes"], definition.get("edges", [])
    if len(nodes) > MAX_NODES:
        return None
    if standings is None:
        standing_of = {node["key"]: _UNKNOWN for node in nodes}
    else:
        standing_of = {node["key"]: standings.get(node["key"], _AHEAD) for node in nodes}
    loops = {node["parent"] for node in nodes if node.get("parent")}
    head_widths = {node["key"]: _head_width(node, standing_of[node["key"]]) for node in nodes if node["key"] in loops}
    arranger = Arranger(nodes, [(edge["source"], edge["target"]) for edge in edges], head_widths)
    level = arranger.level().moved(MARGIN, MARGIN)
    named = {node["key"]: node for node in nodes}
    return Picture(
        width=level.width + 2 * MARGIN,
        height=level.height + 2 * MARGIN,
        boxes=[_box(named[key], level.boxes[key], standing_of[key]) for key in named if key in level.boxes],
        frames=[_box(named[key], area, standing_of[key]) for key, area in level.frames.items()],
        lines=[_line(edges[index], route, standing_of[edges[index]["source"]]) for index, route in sorted(level.routes.items())],
        legend=list({each.look.label: each.look for each in standing_of.values()}.values()) if standings is not None else [],
        summary=_summary(nodes, edges, level),
    )


def _name(node: Mapping[str, Any]) -> str:
    return str(node.get("name") or node["key"])


def _box(node: Mapping[str, Any], area: Area, standing: Standing) -> Box:
    room = area.width - _text_begins(standing) - _TEXT_ENDS
    detail = standing.short or node["type"]
    return Box(node["key"], shorten(_name(node), NAME_SIZE, room), shorten(detail, DETAIL_SIZE, room), node["type"], area, standing)


def _text_begins(standing: Standing) -> int:
    """Where nothing has run there is no icon."""
    return TEXT_BEGINS_BESIDE_ICON if standing.look.icon else TEXT_BEGINS


def _head_width(loop: Mapping[str, Any], standing: Standing) -> float:
    """What the two lines above the body of a loop need."""
    counts = " · ".join(filter(None, [standing.short or loop["type"], standing.iterations, standing.failures]))
    return _text_begins(standing) + _TEXT_ENDS + max(min(width_of(_name(loop), NAME_SIZE), 300), width_of(counts, DETAIL_SIZE))


def _line(edge: Mapping[str, Any], route: Sequence[Area], source: Standing) -> Line:
    port = edge.get("port", "out")
    _, first, second, *_ = route
    return Line(
        path=_path(route),
        end_x=route[-1].x,
        end_y=route[-1].middle,
        state="live" if port in source.ports else "dead" if source.is_settled else "open",
        port=port,
        label="" if port == "out" else shorten(port, PORT_SIZE, _PORT_WIDTH),
        label_x=(first.right + second.x) / 2,
        label_y=(first.middle + second.middle) / 2,
    )


def _path(route: Sequence[Area]) -> str:
    """From the right side of the first box to the left side of the last, straight through the gaps between."""
    begin, *cells, end = route
    strokes = [f"M{begin.right:g} {begin.middle:g}"]
    for one, other in pairwise(cells):
        bend = (other.x - one.right) / 2
        strokes.append(f"L{one.right:g} {one.middle:g}" if one.right != begin.right else "")
        strokes.append(f"C{other.x - bend:g} {one.middle:g} {one.right + bend:g} {other.middle:g} {other.x:g} {other.middle:g}")
    strokes.append(f"L{end.x:g} {end.middle:g}" if end.x != cells[-1].x else "")
    return " ".join(filter(None, strokes))


def _summary(nodes: Sequence[Mapping[str, Any]], edges: Sequence[Mapping[str, Any]], level: Level) -> str:
    counted = f"{_counted(len(nodes), 'node')}, {_counted(len(edges), 'edge')}."
    names = {node["key"]: _name(node) for node in nodes}
    bodies = [
        f"Loop {names[loop]} contains {', '.join(_name(node) for node in nodes if node.get('parent') == loop)}." for loop in level.frames
    ]
    return " ".join([counted, *bodies])


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
