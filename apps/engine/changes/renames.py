"""Which removed node came back under another key."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from apps.engine.changes.parts import EdgeId, Parts, without_position
from apps.engine.changes.values import canonical_json

Lines = frozenset[tuple[str, str, str]]


def find_renames(old: Parts, new: Parts) -> dict[str, str]:
    """{old key: new key} of nodes that are the same but for key and position.

    Alike nodes are told apart by the edges that they have with nodes that kept their keys. A node with neither config nor such edges
    in common with another is not recognised: it may as well be a new one.
    """
    gone = [key for key in old.nodes if key not in new.nodes]
    come = [key for key in new.nodes if key not in old.nodes]
    if not gone or not come:
        return {}
    stayed = old.nodes.keys() & new.nodes.keys()
    old_lines, new_lines = _lines(old.edges, stayed), _lines(new.edges, stayed)
    renames = _matches(
        {key: (_content(old.nodes[key]), old_lines[key]) for key in gone if old_lines[key]},
        {key: (_content(new.nodes[key]), new_lines[key]) for key in come if new_lines[key]},
    )
    found = set(renames.values())
    return renames | _matches(
        {key: _content(old.nodes[key]) for key in gone if key not in renames and old.nodes[key].get("config")},
        {key: _content(new.nodes[key]) for key in come if key not in found and new.nodes[key].get("config")},
    )


def _matches(gone: Mapping[str, Any], come: Mapping[str, Any]) -> dict[str, str]:
    """Keys of both sides whose marks are the same, and are there once on each side."""
    gone_by, come_by = _unique(gone), _unique(come)
    return {key: come_by[mark] for mark, key in gone_by.items() if mark in come_by}


def _unique(marks: Mapping[str, Any]) -> dict[Any, str]:
    keys: dict[Any, list[str]] = defaultdict(list)
    for key, mark in marks.items():
        keys[mark].append(key)
    return {mark: found[0] for mark, found in keys.items() if len(found) == 1}


def _content(node: Mapping[str, Any]) -> bytes:
    return canonical_json({name: value for name, value in without_position(node).items() if name != "key"})


def _lines(edges: Iterable[EdgeId], stayed: Iterable[str]) -> Mapping[str, Lines]:
    """{key: its edges from and to nodes that stayed, as (direction, port, other key)}"""
    there = frozenset(stayed)
    lines: dict[str, set[tuple[str, str, str]]] = defaultdict(set)
    for source, port, target in edges:
        if source in there:
            lines[target].add(("from", port, source))
        if target in there:
            lines[source].add(("to", port, target))
    return defaultdict(frozenset, {key: frozenset(found) for key, found in lines.items()})
