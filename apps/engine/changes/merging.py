"""Two changes of one definition, made side by side, as one: node by node, edge by edge, field by field."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from apps.engine.changes.parts import POSITION, Document, EdgeId, Parts, content_of, parts_of
from apps.engine.changes.values import MISSING, field_changes, present, same, value_at
from apps.engine.pointers import pointer_to

# Of these, two entries have nothing to do with each other. `inputs` is not among them: as a JSON Schema it is one thing.
_BY_ENTRY = frozenset({"variables", "output", "settings"})
_DISAGREED: Final[Any] = object()


@dataclass(frozen=True, slots=True)
class Conflict:
    """What two people changed in two ways.

    kind     node, edge, or field: anything beside them
    key      of the node; "a.out -> b" of an edge; name of a field
    pointer  within the node, "" for the whole of it; within the document for a field
    base, mine, theirs   what each has there; MISSING for nothing
    """

    kind: Literal["node", "edge", "field"]
    key: str
    pointer: str
    base: Any
    mine: Any
    theirs: Any

    def as_json(self) -> dict[str, Any]:
        """{"kind": str, "key": str, "path": str, "base": any, "mine": any, "theirs": any}; what is missing is left out."""
        values = present({"base": self.base, "mine": self.mine, "theirs": self.theirs})
        return {"kind": self.kind, "key": self.key, "path": self.pointer, **values}


@dataclass(frozen=True, slots=True)
class Merged:
    """Both changes in one document.

    conflicts   where they contradict each other: the document has theirs there, or what one side changed and the other removed
    """

    document: dict[str, Any]
    conflicts: tuple[Conflict, ...]


def merge(base: Document, mine: Document, theirs: Document) -> Merged:
    """Merge two definition documents that were made from a third; all three have been valid once.

    A node that both changed is a conflict, even where they changed different fields of it: what it does is one thing. The same change
    made twice is none, nor is a place: where both moved a node, mine counts. A removed node conflicts with a change of it, and with a
    new edge from or to it; edges themselves are there or not, and never conflict. Of variables, output and settings each entry counts
    by itself, every other field as a whole.
    The result may still be no valid definition: a condition of one side may read a node that the other removed.
    """
    return _Merge(parts_of(base), parts_of(mine), parts_of(theirs)).merged(
        has_edges=_choose(*("edges" in document for document in (base, mine, theirs)))
    )


class _Merge:
    def __init__(self, base: Parts, mine: Parts, theirs: Parts) -> None:
        self._base, self._mine, self._theirs = base, mine, theirs
        self._conflicts: list[Conflict] = []
        # Nodes that one side changed and the other removed stay, with the edges of the side that has them.
        self._kept: dict[str, Parts] = {}

    def merged(self, *, has_edges: bool) -> Merged:
        fields = present({name: self._field(name) for name in _union(*(side.fields for side in self._sides))})
        nodes = present({key: self._node(key) for key in _in_order(*(side.nodes for side in self._sides))})
        edges = present({ends: self._edge(ends, nodes) for ends in _in_order(*(side.edges for side in self._sides))})
        document = {**fields, "nodes": list(nodes.values())}
        if edges or has_edges:
            document["edges"] = list(edges.values())
        return Merged(document, tuple(self._conflicts))

    @property
    def _sides(self) -> tuple[Parts, Parts, Parts]:
        return self._base, self._mine, self._theirs

    def _node(self, key: str) -> Any:
        contents = [content_of(side.nodes, key) for side in self._sides]
        content = _choose(*contents)
        if content is MISSING:
            return MISSING
        if content is _DISAGREED:
            self._conflicts.extend(_node_conflicts(key, *contents))
            holder = self._mine if key not in self._theirs.nodes else self._theirs
            if not all(key in side.nodes for side in (self._mine, self._theirs)):
                self._kept[key] = holder
                return holder.nodes[key]
            content = contents[2]
        places = [side.nodes.get(key, {}).get(POSITION, MISSING) for side in self._sides]
        place = _choose(*places)
        return {**content, **present({POSITION: places[1] if place is _DISAGREED else place})}

    def _edge(self, ends: EdgeId, nodes: Mapping[str, Document]) -> Any:
        base, mine, theirs = (side.edges.get(ends, MISSING) for side in self._sides)
        edge = MISSING
        if _choose(*(each is not MISSING for each in (base, mine, theirs))):
            # One that both have may be spelled in two ways, with and without the port `out`.
            edge = mine if theirs is MISSING or (mine is not MISSING and same(base, theirs)) else theirs
        if edge is MISSING:
            edge = next((side.edges[ends] for side in self._kept_at(ends) if ends in side.edges), MISSING)
        if edge is MISSING or (ends[0] in nodes and ends[2] in nodes):
            return edge
        if base is MISSING:
            self._conflicts.append(Conflict("edge", f"{ends[0]}.{ends[1]} -> {ends[2]}", "", base, mine, theirs))
        return MISSING

    def _kept_at(self, ends: EdgeId) -> Iterator[Parts]:
        return (self._kept[key] for key in (ends[0], ends[2]) if key in self._kept)

    def _field(self, name: str) -> Any:
        values = [side.fields.get(name, MISSING) for side in self._sides]
        if name not in _BY_ENTRY or not all(isinstance(value, Mapping) for value in values if value is not MISSING):
            return self._settled(name, (name,), *values)
        objects = [{} if value is MISSING else value for value in values]
        entries = present(
            {entry: self._settled(name, (name, entry), *(each.get(entry, MISSING) for each in objects)) for entry in _union(*objects)}
        )
        return entries if entries or _choose(*(value is not MISSING for value in values)) else MISSING

    def _settled(self, name: str, path: tuple[str, ...], base: Any, mine: Any, theirs: Any) -> Any:
        chosen = _choose(base, mine, theirs)
        if chosen is not _DISAGREED:
            return chosen
        self._conflicts.append(Conflict("field", name, pointer_to(*path), base, mine, theirs))
        return mine if theirs is MISSING else theirs


def _choose(base: Any, mine: Any, theirs: Any) -> Any:
    """The one that changed, either where both became the same, _DISAGREED where they did not."""
    if same(base, theirs) or same(mine, theirs):
        return mine
    return theirs if same(base, mine) else _DISAGREED


def _node_conflicts(key: str, base: Any, mine: Any, theirs: Any) -> Iterator[Conflict]:
    """One conflict for each place at which the two differ; one for the whole node where not all three have it."""
    if MISSING in (base, mine, theirs):
        yield Conflict("node", key, "", base, mine, theirs)
        return
    for change in field_changes(mine, theirs):
        yield Conflict("node", key, change.pointer, value_at(base, change.path), change.old, change.new)


def _union(*keys: Iterable[Any]) -> Iterable[Any]:
    return dict.fromkeys(key for some in keys for key in some)


def _in_order(base: Mapping[Any, Any], mine: Mapping[Any, Any], theirs: Mapping[Any, Any]) -> Sequence[Any]:
    """All keys, in the order of the side that changed it; what the other side added stands behind what it follows there."""
    lead, other = (mine, theirs) if list(theirs) == list(base) else (theirs, mine)
    followers: dict[Any, list[Any]] = {}
    before: Any = MISSING
    for key in other:
        if key in lead:
            before = key
        else:
            followers.setdefault(before, []).append(key)
    ordered = [*followers.get(MISSING, ())]
    for key in lead:
        ordered += [key, *followers.get(key, ())]
    return ordered
