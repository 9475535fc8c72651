"""The difference of two definitions, told in the words of a workflow."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from apps.engine.changes.parts import POSITION, Document, EdgeId, Parts, edge_id, parts_of, without_position
from apps.engine.changes.renames import find_renames
from apps.engine.changes.values import MISSING, FieldChange, field_changes, present, same


@dataclass(frozen=True, slots=True)
class NodeChange:
    """A node that does something else now.

    key      its key in the new document
    changes  by pointer within the node: /config/url
    """

    key: str
    node: Document
    changes: tuple[FieldChange, ...]


@dataclass(frozen=True, slots=True)
class Moved:
    """A node that is drawn elsewhere; key   in the new document; old, new   {"x", "y"}, MISSING without a place"""

    key: str
    old: Any
    new: Any


@dataclass(frozen=True, slots=True)
class Renamed:
    """A node of another key, otherwise the same."""

    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Diff:
    """What changed from one definition to another. The order of nodes, of edges and of keys means nothing, and is not compared.

    added, removed                whole nodes
    moved                         only where a node of both is drawn; it may stand in `changed` or `renamed` too
    added_edges, removed_edges    those of a renamed node are no change
    fields                        all beside nodes and edges, by pointer: /settings/priority
    """

    added: tuple[Document, ...]
    removed: tuple[Document, ...]
    changed: tuple[NodeChange, ...]
    moved: tuple[Moved, ...]
    renamed: tuple[Renamed, ...]
    added_edges: tuple[Document, ...]
    removed_edges: tuple[Document, ...]
    fields: tuple[FieldChange, ...]

    @property
    def is_empty(self) -> bool:
        return not any(
            (self.added, self.removed, self.changed, self.moved, self.renamed, self.added_edges, self.removed_edges, self.fields)
        )

    def as_json(self) -> dict[str, Any]:
        """{"nodes": {"added": [node], "removed": [node], "changed": [{"key", "type", "name", "changes": [{"path", "old", "new"}]}],
        "moved": [{"key", "old", "new"}], "renamed": [{"old", "new"}]},
        "edges": {"added": [edge], "removed": [edge]}, "fields": [{"path", "old", "new"}]}
        """
        return {
            "nodes": {
                "added": list(self.added),
                "removed": list(self.removed),
                "changed": [
                    {
                        "key": each.key,
                        "type": each.node.get("type", ""),
                        "name": each.node.get("name", ""),
                        "changes": [change.as_json() for change in each.changes],
                    }
                    for each in self.changed
                ],
                "moved": [{"key": each.key, **present({"old": each.old, "new": each.new})} for each in self.moved],
                "renamed": [{"old": each.old, "new": each.new} for each in self.renamed],
            },
            "edges": {"added": list(self.added_edges), "removed": list(self.removed_edges)},
            "fields": [change.as_json() for change in self.fields],
        }


def diff(old: Document, new: Document) -> Diff:
    """Say what changed between two definition documents that have been valid once. The work is linear in their size."""
    before, after = parts_of(old), parts_of(new)
    renames = find_renames(before, after)
    before = _renamed(before, renames)
    pairs = [(key, before.nodes[key], node) for key, node in after.nodes.items() if key in before.nodes]
    compared = [(key, node, tuple(field_changes(without_position(was), without_position(node)))) for key, was, node in pairs]
    places = [Moved(key, was.get(POSITION, MISSING), node.get(POSITION, MISSING)) for key, was, node in pairs]
    return Diff(
        added=tuple(node for key, node in after.nodes.items() if key not in before.nodes),
        removed=tuple(node for key, node in before.nodes.items() if key not in after.nodes),
        changed=tuple(NodeChange(key, node, changes) for key, node, changes in compared if changes),
        moved=tuple(place for place in places if not same(place.old, place.new)),
        renamed=tuple(Renamed(one, other) for one, other in renames.items()),
        added_edges=tuple(edge for ends, edge in after.edges.items() if ends not in before.edges),
        removed_edges=tuple(edge for ends, edge in before.edges.items() if ends not in after.edges),
        fields=tuple(field_changes(before.fields, after.fields)),
    )


def _renamed(parts: Parts, renames: Mapping[str, str]) -> Parts:
    """The parts as they would be under the new keys."""
    if not renames:
        return parts
    nodes = {renames.get(key, key): {**node, "key": renames[key]} if key in renames else node for key, node in parts.nodes.items()}
    edges: dict[EdgeId, Document] = {}
    for edge in parts.edges.values():
        moved = {**edge, "source": renames.get(edge["source"], edge["source"]), "target": renames.get(edge["target"], edge["target"])}
        edges[edge_id(moved)] = moved
    return Parts(nodes, edges, parts.fields)
