"""A definition while it is drawn: nodes with keys of their own, and edges."""

import re
from collections.abc import Mapping
from typing import Any

from apps.workflows.imports.errors import TooManyNodesError

_NO_KEY = re.compile(r"[^A-Za-z0-9]+")
_MAX_KEY = 64
MAX_NODES = 5_000
_SHIFT = 40  # pixels from a node to the helper that stands before or behind it


class Blueprint:
    """Nodes and edges in the order in which they were drawn."""

    def __init__(self) -> None:
        self.nodes: dict[str, dict[str, Any]] = {}
        self.edges: list[dict[str, str]] = []
        self._edges: set[tuple[str, str, str]] = set()

    def key(self, name: str) -> str:
        """A key that nobody has, made of a name: "Get users" gives `get_users`, then `get_users_2`."""
        plain = _NO_KEY.sub("_", name).strip("_").lower() or "node"
        stem = (plain if not plain[0].isdigit() else f"n_{plain}")[: _MAX_KEY - 6]
        key, number = stem, 1
        while key in self.nodes:
            number += 1
            key = f"{stem}_{number}"
        return key

    def add(self, key: str, type: str, config: Mapping[str, Any], **fields: Any) -> str:
        """Draw a node; `fields` are those of the definition, and the empty ones are left out. Raises TooManyNodesError."""
        if len(self.nodes) >= MAX_NODES:
            message = f"Expected a workflow that becomes at most {MAX_NODES} nodes, found more: import it in parts."
            raise TooManyNodesError(message, max_nodes=MAX_NODES, pointer="/nodes")
        given = {name: value for name, value in fields.items() if value not in (None, "", {}, False)}
        self.nodes[key] = {"key": key, "type": type, "config": dict(config), **given}
        return key

    def connect(self, source: str, port: str, target: str) -> None:
        """Draw an edge, once."""
        if (source, port, target) not in self._edges:
            self._edges.add((source, port, target))
            self.edges.append({"source": source, "port": port, "target": target})

    def mark(self) -> tuple[int, int]:
        """Where the drawing stands, for `undo`."""
        return len(self.nodes), len(self.edges)

    def undo(self, mark: tuple[int, int]) -> None:
        """Take away what was drawn since."""
        nodes, edges = mark
        for key in list(self.nodes)[nodes:]:
            del self.nodes[key]
        self.edges = self.edges[:edges]
        self._edges = {(edge["source"], edge["port"], edge["target"]) for edge in self.edges}

    def drop(self, key: str) -> None:
        """Take a node away, with its edges."""
        self.nodes.pop(key, None)
        self.edges = [edge for edge in self.edges if key not in (edge["source"], edge["target"])]
        self._edges = {(edge["source"], edge["port"], edge["target"]) for edge in self.edges}


def beside(position: Mapping[str, float] | None, steps: int = 1) -> dict[str, float] | None:
    """Where a helper of a node is drawn."""
    return {"x": position["x"] + steps * _SHIFT, "y": position["y"] + steps * _SHIFT} if position else None


def literal(text: str) -> str:
    """Text that our expressions leave as it is."""
    return text.replace("${", "$${")


def literal_value(value: Any) -> Any:
    """A JSON value whose texts our expressions leave as they are."""
    if isinstance(value, str):
        return literal(value)
    if isinstance(value, Mapping):
        return {name: literal_value(each) for name, each in value.items()}
    return [literal_value(each) for each in value] if isinstance(value, list) else value
