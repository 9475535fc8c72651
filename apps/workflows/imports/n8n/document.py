"""The JSON that n8n exports, checked and put in order.

{"name": str, "nodes": [{"name", "type", "typeVersion", "position": [x, y], "parameters": {…}, "credentials": {type: {"id", "name"}}, …}],
 "connections": {name: {"main": [[{"node": name, "type": "main", "index": input}], …one array for each output]}},
 "settings": {…}, "pinData": {name: [item]}}
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from apps.engine.pointers import pointer_to
from apps.engine.problems import Problem, shown
from apps.workflows.imports.errors import InvalidForeignError

MAX_NODES = 1_000
MAX_CONNECTIONS = 10_000
MAX_NAME = 128
MAIN = "main"
_FURTHEST = 1e6


@dataclass(frozen=True, slots=True)
class N8nNode:
    """One node; `raw` is what stands in the document."""

    name: str
    type: str
    version: float
    parameters: dict[str, Any]
    raw: dict[str, Any]
    position: dict[str, float] | None

    @property
    def is_disabled(self) -> bool:
        return self.raw.get("disabled") is True

    @property
    def notes(self) -> str:
        notes = self.raw.get("notes")
        return notes if isinstance(notes, str) else ""

    @property
    def on_error(self) -> str:
        """stopWorkflow, continueRegularOutput or continueErrorOutput"""
        if self.raw.get("continueOnFail") is True:
            return "continueRegularOutput"
        return str(self.raw.get("onError") or "stopWorkflow")

    @property
    def credentials(self) -> dict[str, str]:
        """{type: name that people gave it}"""
        found = self.raw.get("credentials")
        named = found.items() if isinstance(found, Mapping) else ()
        return {kind: str(each.get("name", "")) if isinstance(each, Mapping) else str(each) for kind, each in named}


@dataclass(frozen=True, slots=True)
class Connection:
    """A line from an output of a node to an input of another; `kind` is "main", or what an AI node is given by its helpers."""

    source: str
    output: int
    target: str
    input: int
    kind: str = MAIN


@dataclass(frozen=True, slots=True)
class N8nWorkflow:
    """A whole workflow; `pins` says how many items of test data a node has."""

    name: str
    description: str
    nodes: dict[str, N8nNode]
    connections: tuple[Connection, ...]
    settings: dict[str, Any]
    pins: dict[str, int]


def read_n8n(document: Mapping[str, Any], pointer: str = "") -> N8nWorkflow:
    """Read one workflow. Raises InvalidForeignError with the places of all that is wrong."""
    reader = _Reader(pointer)
    workflow = reader.workflow(document)
    if reader.problems:
        raise InvalidForeignError("n8n", reader.problems)
    return workflow


class _Reader:
    def __init__(self, pointer: str) -> None:
        self._base = pointer
        self.problems: list[Problem] = []

    def _fault(self, found: object, expected: str, *path: str | int) -> None:
        self.problems.append(Problem(self._base + pointer_to(*path), f"Expected {expected}, found {shown(found)}.", shown(found), expected))

    def _is(self, kind: type, value: object, expected: str, *path: str | int) -> bool:
        if isinstance(value, kind):
            return True
        self._fault(value, expected, *path)
        return False

    def workflow(self, document: Mapping[str, Any]) -> N8nWorkflow:
        nodes = {node.name: node for node in self._nodes(document.get("nodes"))}
        name, settings, meta = document.get("name"), document.get("settings"), document.get("description")
        return N8nWorkflow(
            name=name[:MAX_NAME] if isinstance(name, str) and name.strip() else "Imported from n8n",
            description=meta[:10_000] if isinstance(meta, str) else "",
            nodes=nodes,
            connections=tuple(self._connections(document.get("connections", {}), nodes)),
            settings=settings if isinstance(settings, dict) else {},
            pins=_pins(document.get("pinData")),
        )

    def _nodes(self, found: object) -> Iterator[N8nNode]:
        if not self._is(list, found, "an array of nodes", "nodes") or not isinstance(found, list):
            return
        if len(found) > MAX_NODES:
            self.problems.append(Problem(f"{self._base}/nodes", f"Expected at most {MAX_NODES} nodes, found {len(found)}."))
            return
        seen: set[str] = set()
        for index, each in enumerate(found):
            if (node := self._node(each, index)) is None:
                continue
            if node.name in seen:
                self._fault(node.name, "a name that no other node has", "nodes", index, "name")
            seen.add(node.name)
            yield node

    def _node(self, each: object, index: int) -> N8nNode | None:
        if not self._is(dict, each, "a node", "nodes", index) or not isinstance(each, dict):
            return None
        for field in ("name", "type"):
            value = each.get(field)
            if not isinstance(value, str) or not 0 < len(value) <= 1000:
                self._fault(value, "a text", "nodes", index, field)
                return None
        parameters, version = each.get("parameters", {}), each.get("typeVersion", 1)
        if not isinstance(parameters, dict):
            self._fault(parameters, "an object", "nodes", index, "parameters")
            return None
        number = float(version) if isinstance(version, int | float) and not isinstance(version, bool) else 1.0
        return N8nNode(each["name"], each["type"], number, parameters, each, _position(each.get("position")))

    def _connections(self, found: object, nodes: Mapping[str, N8nNode]) -> Iterator[Connection]:
        if not self._is(dict, found, "an object of connections", "connections") or not isinstance(found, dict):
            return
        count = 0
        for source, kinds in found.items():
            if source not in nodes:
                self._fault(source, "the name of a node", "connections", source)
                continue
            if not self._is(dict, kinds, "an object", "connections", source):
                continue
            for kind, outputs in kinds.items():
                for connection in self._of_kind(source, kind, outputs, nodes):
                    count += 1
                    if count > MAX_CONNECTIONS:
                        self.problems.append(Problem(f"{self._base}/connections", f"Expected at most {MAX_CONNECTIONS} of them."))
                        return
                    yield connection

    def _of_kind(self, source: str, kind: str, outputs: object, nodes: Mapping[str, N8nNode]) -> Iterator[Connection]:
        place = ("connections", source, kind)
        if not self._is(list, outputs, "an array with one array for each output", *place) or not isinstance(outputs, list):
            return
        for output, ends in enumerate(outputs):
            if ends is None:
                continue
            if not self._is(list, ends, "an array of ends", *place, output):
                continue
            for index, end in enumerate(ends):
                target = end.get("node") if isinstance(end, dict) else None
                if not isinstance(end, dict) or not isinstance(target, str) or target not in nodes:
                    self._fault(target if isinstance(end, dict) else end, "the name of a node", *place, output, index, "node")
                    continue
                entry = end.get("index", 0)
                is_number = isinstance(entry, int) and not isinstance(entry, bool) and 0 <= entry < 100
                if not is_number or output >= 1000:
                    self._fault(entry, "the number of an input", *place, output, index, "index")
                    continue
                yield Connection(source, output, target, entry, kind)


def _pins(found: object) -> dict[str, int]:
    pinned = found.items() if isinstance(found, Mapping) else ()
    return {name: len(items) for name, items in pinned if isinstance(items, list)}


def _position(found: object) -> dict[str, float] | None:
    if not isinstance(found, list) or len(found) != 2 or not all(isinstance(each, int | float) for each in found):
        return None
    x, y = (float(each) for each in found)
    return {"x": x, "y": y} if math.isfinite(x) and math.isfinite(y) and max(abs(x), abs(y)) <= _FURTHEST else None
