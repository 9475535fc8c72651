"""What changed between two versions, as rows of a page."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from apps.engine.changes import Diff, FieldChange
from apps.engine.changes.values import MISSING
from apps.engine.outcomes import OUT

MAX_ROWS = 300
MAX_SHOWN = 300


@dataclass(frozen=True, slots=True)
class Row:
    """One change.

    word, icon, tone   how it is shown; tones as of `picture.Look`
    what               the node, edge or field
    place              within it; "" for the whole
    old, new           as short JSON text; None where there is nothing
    """

    word: str
    icon: str
    tone: str
    what: str
    place: str = ""
    old: str | None = None
    new: str | None = None


def rows_of(diff: Diff) -> Iterator[Row]:
    """The changes, those of nodes first."""
    yield from (_added(_named(node)) for node in diff.added)
    yield from (_removed(_named(node)) for node in diff.removed)
    yield from (Row("renamed", "edit", "move", f"node {each.new}", "/key", each.old, each.new) for each in diff.renamed)
    for changed in diff.changed:
        yield from (_changed(_named(changed.node), change) for change in changed.changes)
    yield from (Row("moved", "open_with", "calm", f"node {each.key}", "/position", _text(each.old), _text(each.new)) for each in diff.moved)
    yield from (_added(_line(edge)) for edge in diff.added_edges)
    yield from (_removed(_line(edge)) for edge in diff.removed_edges)
    yield from (_changed("definition", change) for change in diff.fields)


def _added(what: str) -> Row:
    return Row("added", "add", "good", what)


def _removed(what: str) -> Row:
    return Row("removed", "remove", "bad", what)


def _changed(what: str, change: FieldChange) -> Row:
    return Row("changed", "edit", "wait", what, change.pointer, _text(change.old), _text(change.new))


def _named(node: Mapping[str, Any]) -> str:
    return f"node {node['key']} ({node.get('type', '')})"


def _line(edge: Mapping[str, Any]) -> str:
    port = edge.get("port", OUT)
    return f"edge {edge['source']}{'' if port == OUT else f'.{port}'} → {edge['target']}"


def _text(value: Any) -> str | None:
    if value is MISSING:
        return None
    text = value if isinstance(value, str) else orjson.dumps(value).decode()
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}…"
