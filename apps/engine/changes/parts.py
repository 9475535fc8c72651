"""A definition document as named parts: nodes by key, edges by where they run, and the fields beside them.

The documents have been valid once: keys and edges are there once each. Nothing else is expected of them, so that documents of an older
or newer format can be compared too.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from apps.engine.changes.values import MISSING
from apps.engine.outcomes import OUT

Document = Mapping[str, Any]
EdgeId = tuple[str, str, str]
"""(source, port, target)"""

POSITION = "position"


@dataclass(frozen=True, slots=True)
class Parts:
    """nodes, edges   in the order of the document
    fields         everything beside them
    """

    nodes: dict[str, Document]
    edges: dict[EdgeId, Document]
    fields: dict[str, Any]


def parts_of(document: Document) -> Parts:
    return Parts(
        {node["key"]: node for node in document.get("nodes", ())},
        {edge_id(edge): edge for edge in document.get("edges", ())},
        {name: value for name, value in document.items() if name not in ("nodes", "edges")},
    )


def edge_id(edge: Document) -> EdgeId:
    return edge["source"], edge.get("port", OUT), edge["target"]


def without_position(node: Document) -> Document:
    """What a node does: all of it but where it is drawn."""
    return {name: value for name, value in node.items() if name != POSITION} if POSITION in node else node


def content_of(nodes: Mapping[str, Document], key: str) -> Any:
    """The node of this key without its position, MISSING where there is none."""
    return without_position(nodes[key]) if key in nodes else MISSING
