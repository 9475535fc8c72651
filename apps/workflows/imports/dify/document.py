"""The DSL that Dify exports, checked and put in order.

{"kind": "app", "version": str, "app": {"name", "description", "mode"},
 "workflow": {"environment_variables": [{"name", "value", "value_type"}], "conversation_variables": […],
              "graph": {"nodes": [{"id", "type", "position": {"x", "y"}, "parentId", "data": {"type", "title", …}}],
                        "edges": [{"source", "sourceHandle", "target"}]}}}
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from apps.engine.pointers import pointer_to
from apps.engine.problems import Problem, shown
from apps.workflows.imports.errors import InvalidForeignError

MAX_NODES = 1_000
MAX_EDGES = 10_000
NOTE = "custom-note"
MODES = ("workflow", "advanced-chat")
GRAPH = ("workflow", "graph")
_FURTHEST = 1e6


@dataclass(frozen=True, slots=True)
class DifyNode:
    """One node; `data` are its settings, `parent` is the iteration or loop that it lies in, `is_note` tells a note on the canvas."""

    id: str
    type: str
    title: str
    data: dict[str, Any]
    parent: str | None
    position: dict[str, float] | None
    is_note: bool = False


@dataclass(frozen=True, slots=True)
class DifyEdge:
    source: str
    handle: str
    target: str


@dataclass(frozen=True, slots=True)
class DifyApp:
    """A whole application; `environment` and `conversation` are its variables: {"name", "value", "value_type"}."""

    name: str
    description: str
    mode: str
    nodes: dict[str, DifyNode]
    edges: tuple[DifyEdge, ...]
    environment: tuple[dict[str, Any], ...]
    conversation: tuple[dict[str, Any], ...]


def read_dify(document: Mapping[str, Any]) -> DifyApp:
    """Read an application. Raises InvalidForeignError with the places of all that is wrong."""
    reader = _Reader()
    app = reader.app(document)
    if reader.problems:
        raise InvalidForeignError("Dify", reader.problems)
    return app


class _Reader:
    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def _fault(self, found: object, expected: str, *path: str | int) -> None:
        self.problems.append(Problem(pointer_to(*path), f"Expected {expected}, found {shown(found)}.", shown(found), expected))

    def _object(self, of: Mapping[str, Any], name: str, *path: str | int) -> Mapping[str, Any]:
        found = of.get(name)
        if isinstance(found, Mapping):
            return found
        self._fault(found, "an object", *path, name)
        return {}

    def app(self, document: Mapping[str, Any]) -> DifyApp:
        app = self._object(document, "app")
        mode, name, description = app.get("mode"), app.get("name"), app.get("description")
        if mode not in MODES:
            self._fault(mode, f"one of {', '.join(MODES)}", "app", "mode")
        workflow = self._object(document, "workflow") if not self.problems else {}
        graph = self._object(workflow, "graph", "workflow") if not self.problems else {}
        nodes = {node.id: node for node in self._nodes(graph.get("nodes"))} if not self.problems else {}
        if not self.problems and not any(node.type == "start" or node.type.startswith("trigger-") for node in nodes.values()):
            self._fault([node.type for node in nodes.values()], "a node of the type start", *GRAPH, "nodes")
        return DifyApp(
            name=name[:128] if isinstance(name, str) and name.strip() else "Imported from Dify",
            description=description if isinstance(description, str) else "",
            mode=str(mode),
            nodes=nodes,
            edges=tuple(self._edges(graph.get("edges"), nodes)) if not self.problems else (),
            environment=_variables(workflow.get("environment_variables")),
            conversation=_variables(workflow.get("conversation_variables")),
        )

    def _list(self, found: object, most: int, *path: str) -> list[Any]:
        if not isinstance(found, list):
            self._fault(found, "an array", *path)
            return []
        if len(found) > most:
            self.problems.append(Problem(pointer_to(*path), f"Expected at most {most} of them, found {len(found)}."))
            return []
        return found

    def _nodes(self, found: object) -> Iterator[DifyNode]:
        seen: set[str] = set()
        for index, each in enumerate(self._list(found, MAX_NODES, *GRAPH, "nodes")):
            place = (*GRAPH, "nodes", index)
            data = each.get("data") if isinstance(each, Mapping) else None
            if not isinstance(each, Mapping) or not isinstance(data, dict):
                self._fault(each, "a node with `data`", *place)
            elif not isinstance(each.get("id"), str) or not each["id"] or each["id"] in seen:
                self._fault(each.get("id"), "an id that no other node has", *place, "id")
            else:
                seen.add(each["id"])
                yield _node(each, data)

    def _edges(self, found: object, nodes: Mapping[str, DifyNode]) -> Iterator[DifyEdge]:
        for index, each in enumerate(self._list(found, MAX_EDGES, *GRAPH, "edges")):
            place = (*GRAPH, "edges", index)
            if not isinstance(each, Mapping):
                self._fault(each, "an edge", *place)
                continue
            ends = {end: each.get(end) for end in ("source", "target")}
            unknown = [end for end, named in ends.items() if not isinstance(named, str) or named not in nodes]
            for end in unknown:
                self._fault(ends[end], "the id of a node", *place, end)
            handle = each.get("sourceHandle") or "source"
            if not unknown:
                yield DifyEdge(str(ends["source"]), str(handle)[:64], str(ends["target"]))


def _node(each: Mapping[str, Any], data: dict[str, Any]) -> DifyNode:
    kind, title, parent = data.get("type"), data.get("title"), each.get("parentId") or data.get("iteration_id") or data.get("loop_id")
    return DifyNode(
        id=each["id"],
        type=kind if isinstance(kind, str) and kind else str(each.get("type", "unknown")),
        title=title[:100] if isinstance(title, str) and title.strip() else str(kind or each["id"])[:100],
        data=data,
        parent=parent if isinstance(parent, str) else None,
        position=_position(each.get("position")),
        is_note=each.get("type") == NOTE,
    )


def _variables(found: object) -> tuple[dict[str, Any], ...]:
    return tuple(each for each in found if isinstance(each, dict) and isinstance(each.get("name"), str)) if isinstance(found, list) else ()


def _position(found: object) -> dict[str, float] | None:
    if not isinstance(found, Mapping):
        return None
    x, y = found.get("x"), found.get("y")
    if not isinstance(x, int | float) or not isinstance(y, int | float) or not math.isfinite(x) or not math.isfinite(y):
        return None
    return {"x": float(x), "y": float(y)} if max(abs(x), abs(y)) <= _FURTHEST else None
