"""What differs between two definitions, and what becomes of two changes of one."""

from time import thread_time
from typing import Any

import jsonpatch
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.engine.changes import Diff, canonical_json, diff, json_patch, merge
from apps.engine.changes.values import MISSING, same
from tests.engine.documents import VALUES, documents, unordered

UNHURRIED = settings(deadline=None)


def node(key: str, **more: Any) -> dict[str, Any]:
    return {"key": key, "type": "data.set", "config": {"values": {"of": key}}, **more}


def edges_of(*chains: str) -> list[dict[str, str]]:
    """Edges of chains such as "a b c"."""
    return [
        {"source": source, "target": target} for chain in chains for source, target in zip(chain.split(), chain.split()[1:], strict=False)
    ]


def document(*nodes: dict[str, Any], edges: list[dict[str, str]] | None = None, **fields: Any) -> dict[str, Any]:
    return {"name": "orders", **fields, "nodes": list(nodes), "edges": edges or []}


A, B, C = node("a"), node("b"), node("c")
BASE = document(A, B, C, edges=edges_of("a b c"))


def replaced(key: str, **more: Any) -> dict[str, Any]:
    """BASE with one node changed."""
    return {**BASE, "nodes": [{**each, **more} if each["key"] == key else each for each in BASE["nodes"]]}


def nodes_in(merged: dict[str, Any]) -> dict[str, Any]:
    return {each["key"]: each for each in merged["nodes"]}


# ---- differences


def test_a_diff_speaks_of_nodes_edges_and_fields():
    new = document(
        {**A, "position": {"x": 10, "y": 0}},
        {**B, "config": {"values": {"of": "b", "more": None}}, "notes": "why"},
        node("d"),
        edges=edges_of("a b d"),
        settings={"priority": "high"},
    )

    assert diff(BASE, new).as_json() == {
        "nodes": {
            "added": [node("d")],
            "removed": [C],
            "changed": [
                {
                    "key": "b",
                    "type": "data.set",
                    "name": "",
                    "changes": [{"path": "/config/values/more", "new": None}, {"path": "/notes", "new": "why"}],
                }
            ],
            "moved": [{"key": "a", "new": {"x": 10, "y": 0}}],
            "renamed": [],
        },
        "edges": {"added": edges_of("b d"), "removed": edges_of("b c")},
        "fields": [{"path": "/settings", "new": {"priority": "high"}}],
    }


def test_a_node_of_another_key_is_renamed_and_its_edges_are_no_change():
    #  a ─▶ b ─▶ c   becomes   a ─▶ second ─▶ c
    new = document(A, {**B, "key": "second", "position": {"x": 1, "y": 1}}, C, edges=edges_of("a second c"))
    found = diff(BASE, new)
    assert [(each.old, each.new) for each in found.renamed] == [("b", "second")]
    assert [each.key for each in found.moved] == ["second"]
    assert found == Diff((), (), (), found.moved, found.renamed, (), (), ())


def test_alike_nodes_are_told_apart_by_their_edges():
    #  a ─┬▶ m ─▶ b          a ─┬▶ x ─▶ b
    #     └▶ n ─▶ c  becomes    └▶ y ─▶ c
    alike = {"type": "control.merge"}
    old = document(A, B, C, {"key": "m", **alike}, {"key": "n", **alike}, edges=edges_of("a m b", "a n c"))
    new = document(A, B, C, {"key": "y", **alike}, {"key": "x", **alike}, edges=edges_of("a x b", "a y c"))
    assert {each.old: each.new for each in diff(old, new).renamed} == {"m": "x", "n": "y"}


def test_a_node_that_merely_looks_like_a_removed_one_is_new():
    old = document(A, {"key": "m", "type": "control.merge"}, edges=edges_of("a m"))
    new = document(A, {"key": "n", "type": "control.merge"})
    assert not diff(old, new).renamed


@pytest.mark.parametrize(("old", "new"), [(True, 1), (False, 0), (None, False), (0.5, "0.5"), ([], {}), ([1], [True])])
def test_values_that_python_or_people_take_for_the_same_are_different(old, new):
    assert not same(old, new)
    assert diff(replaced("b", config={"of": old}), replaced("b", config={"of": new})).changed
    assert canonical_json(old) != canonical_json(new)


def test_one_number_in_two_spellings_is_no_change():
    assert same(1, 1.0)
    assert same({"a": [1, 2.0]}, {"a": [1.0, 2]})
    assert same([1e19, 1.2345678901234568e18, -0.0], [10**19, 1234567890123456800, 0])
    assert canonical_json({"b": 1.0, "a": "1.0"}) == canonical_json({"a": "1.0", "b": 1})
    assert diff(replaced("b", config={"of": 1}), replaced("b", config={"of": 1.0})).is_empty
    assert not same(2.0**70, 2**63)


def test_the_order_of_nodes_edges_and_keys_is_no_change():
    turned = {name: list(reversed(value)) if isinstance(value, list) else value for name, value in reversed(BASE.items())}
    assert diff(BASE, turned).is_empty


def applied(found: Diff, old: dict[str, Any]) -> dict[str, Any]:
    """The old document, without order, after all that a diff says."""
    keys = {each.old: each.new for each in found.renamed}
    start = unordered(old)
    nodes = {keys.get(key, key): {**each, "key": keys.get(key, key)} for key, each in start["nodes"].items()}
    edges = {(keys.get(source, source), port, keys.get(target, target)) for source, port, target in start["edges"]}
    for change in found.changed:
        for field in change.changes:
            nodes[change.key] = put(nodes[change.key], field.path, field.new)
    for moved in found.moved:
        nodes[moved.key] = put(nodes[moved.key], ("position",), moved.new)
    nodes = {key: each for key, each in nodes.items() if key not in {gone["key"] for gone in found.removed}}
    nodes |= {each["key"]: each for each in found.added}
    edges -= unordered({"nodes": [], "edges": found.removed_edges})["edges"]
    edges |= unordered({"nodes": [], "edges": found.added_edges})["edges"]
    fields = {name: value for name, value in old.items() if name not in ("nodes", "edges")}
    for field in found.fields:
        fields = put(fields, field.path, field.new)
    return {**fields, "nodes": nodes, "edges": edges}


def put(value: Any, path: tuple[str | int, ...], new: Any) -> Any:
    if not path:
        return new
    name, *rest = path
    if isinstance(value, list):
        return [put(each, tuple(rest), new) if index == name else each for index, each in enumerate(value)]
    inner = put(value.get(name), tuple(rest), new)
    return {key: each for key, each in {**value, name: inner}.items() if each is not MISSING}


@UNHURRIED
@given(documents(), documents())
def test_a_diff_applied_to_the_old_gives_the_new(old, new):
    assert applied(diff(old, new), old) == unordered(new)


@UNHURRIED
@given(documents(), documents(keys="abcxyz"))
def test_a_diff_that_is_empty_means_the_same(old, new):
    assert diff(old, old).is_empty
    assert diff(old, new).is_empty == same(sortable(old), sortable(new))


def sortable(some: dict[str, Any]) -> dict[str, Any]:
    return {**unordered(some), "edges": sorted(unordered(some)["edges"])}


@UNHURRIED
@given(documents(), documents())
def test_a_json_patch_makes_the_new_of_the_old(old, new):
    made = jsonpatch.JsonPatch(json_patch(old, new)).apply(old)
    assert made == new
    assert canonical_json(made) == canonical_json(new)


@UNHURRIED
@given(VALUES, VALUES)
def test_canonical_bytes_are_the_same_exactly_for_the_same_value(one, other):
    assert (canonical_json(one) == canonical_json(other)) == same(one, other)


# ---- merges


def test_changes_of_two_nodes_are_both_kept():
    mine, theirs = replaced("a", position={"x": 5, "y": 5}), replaced("b", config={"values": {}})
    merged = merge(BASE, mine, theirs)
    assert not merged.conflicts
    assert nodes_in(merged.document) == {"a": {**A, "position": {"x": 5, "y": 5}}, "b": {**B, "config": {"values": {}}}, "c": C}


def test_the_same_place_changed_in_two_ways_is_a_conflict():
    merged = merge(BASE, replaced("b", config={"values": 1}), replaced("b", config={"values": 2}))
    assert [each.as_json() for each in merged.conflicts] == [
        {"kind": "node", "key": "b", "path": "/config/values", "base": {"of": "b"}, "mine": 1, "theirs": 2}
    ]
    assert nodes_in(merged.document)["b"]["config"] == {"values": 2}


def test_two_places_of_one_node_are_a_conflict_too_and_both_are_shown():
    merged = merge(BASE, replaced("b", name="B"), replaced("b", notes="why"))
    assert [each.as_json() for each in merged.conflicts] == [
        {"kind": "node", "key": "b", "path": "/name", "mine": "B"},
        {"kind": "node", "key": "b", "path": "/notes", "theirs": "why"},
    ]


def test_the_same_change_made_twice_is_no_conflict():
    both = replaced("b", name="B")
    assert merge(BASE, both, both).document == both
    assert not merge(BASE, both, both).conflicts


def test_a_place_never_conflicts():
    moved, changed = replaced("b", position={"x": 1, "y": 1}), replaced("b", name="B")
    for mine, theirs in ((moved, changed), (changed, moved)):
        merged = merge(BASE, mine, theirs)
        assert not merged.conflicts
        assert nodes_in(merged.document)["b"] == {**B, "name": "B", "position": {"x": 1, "y": 1}}
    elsewhere = merge(BASE, moved, replaced("b", position={"x": 2, "y": 2}))
    assert nodes_in(elsewhere.document)["b"]["position"] == {"x": 1, "y": 1}
    assert not elsewhere.conflicts


WITHOUT_B = document(A, C, edges=edges_of("a c"))


@pytest.mark.parametrize("is_mine", [True, False])
def test_a_node_that_one_removed_and_the_other_changed_is_a_conflict_and_stays(is_mine):
    changed = replaced("b", name="B")
    merged = merge(BASE, WITHOUT_B, changed) if is_mine else merge(BASE, changed, WITHOUT_B)
    (conflict,) = merged.conflicts
    assert (conflict.key, conflict.pointer, conflict.base) == ("b", "", B)
    assert (conflict.mine, conflict.theirs)[is_mine] == {**B, "name": "B"}
    assert (conflict.mine, conflict.theirs)[not is_mine] is MISSING
    assert nodes_in(merged.document)["b"]["name"] == "B"
    assert unordered(merged.document)["edges"] == {("a", "out", "b"), ("b", "out", "c"), ("a", "out", "c")}


def test_a_removed_node_that_the_other_only_moved_is_removed():
    merged = merge(BASE, WITHOUT_B, replaced("b", position={"x": 1, "y": 1}))
    assert not merged.conflicts
    assert merged.document == WITHOUT_B


def test_a_new_edge_to_a_removed_node_is_a_conflict_and_is_left_out():
    drawn = {**BASE, "edges": edges_of("a b c", "a d"), "nodes": [*BASE["nodes"], node("d")]}
    drawn = {**drawn, "edges": [*drawn["edges"], *edges_of("d b")]}
    merged = merge(BASE, drawn, WITHOUT_B)
    assert [each.as_json() for each in merged.conflicts] == [
        {"kind": "edge", "key": "d.out -> b", "path": "", "mine": {"source": "d", "target": "b"}}
    ]
    assert unordered(merged.document)["edges"] == {("a", "out", "c"), ("a", "out", "d")}


def test_an_edge_that_one_removed_and_the_other_spelled_anew_is_removed():
    spelled = {**BASE, "edges": [{**edge, "port": "out"} for edge in BASE["edges"]]}
    without = {**BASE, "edges": []}
    assert merge(BASE, spelled, without).document["edges"] == merge(BASE, without, spelled).document["edges"] == []


def test_one_key_for_two_new_nodes_is_a_conflict():
    mine, theirs = (document(A, B, C, node("d", name=name), edges=BASE["edges"]) for name in ("one", "other"))
    merged = merge(BASE, mine, theirs)
    assert [(each.key, each.pointer, each.base) for each in merged.conflicts] == [("d", "", MISSING)]


def test_entries_of_variables_are_merged_one_by_one_and_inputs_as_a_whole():
    base = {**BASE, "variables": {"a": 1}, "inputs": {"n": "number"}}
    merged = merge(base, {**base, "variables": {"a": 1, "b": 2}}, {**base, "variables": {"a": 3}})
    assert not merged.conflicts
    assert merged.document["variables"] == {"a": 3, "b": 2}
    merged = merge(base, {**base, "inputs": {"n": "number", "m": "number"}}, {**base, "inputs": {"n": "string"}})
    assert [(each.kind, each.key, each.pointer) for each in merged.conflicts] == [("field", "inputs", "/inputs")]
    merged = merge(base, {**base, "variables": {"a": 2}}, {**base, "variables": {}})
    assert [each.as_json() for each in merged.conflicts] == [
        {"kind": "field", "key": "variables", "path": "/variables/a", "base": 1, "mine": 2}
    ]
    assert merged.document["variables"] == {"a": 2}


@UNHURRIED
@given(documents(), documents())
def test_who_changed_alone_has_the_say(base, changed):
    for merged in (merge(base, changed, base), merge(base, base, changed), merge(base, changed, changed)):
        assert merged.document == changed
        assert not merged.conflicts


@UNHURRIED
@given(documents(), documents(), documents())
def test_a_merge_is_the_same_from_both_sides_but_for_conflicts_and_places(base, mine, theirs):
    one, other = merge(base, mine, theirs), merge(base, theirs, mine)
    assert {(each.kind, each.key, each.pointer) for each in one.conflicts} == {
        (each.kind, each.key, each.pointer) for each in other.conflicts
    }
    conflicting = {each.key for each in one.conflicts}
    ones, others = nodes_in(one.document), nodes_in(other.document)
    assert ones.keys() == others.keys()
    assert unordered(one.document)["edges"] == unordered(other.document)["edges"]
    for key in ones.keys() - conflicting:
        assert {**ones[key], "position": None} == {**others[key], "position": None}
    for name in one.document.keys() - conflicting - {"nodes", "edges"}:
        assert one.document[name] == other.document[name]


@UNHURRIED
@given(documents(), documents(), documents())
def test_no_edge_of_a_merge_dangles_and_nothing_is_there_twice(base, mine, theirs):
    merged = merge(base, mine, theirs).document
    ends = [(edge["source"], edge.get("port", "out"), edge["target"]) for edge in merged.get("edges", [])]
    keys = [each["key"] for each in merged["nodes"]]
    assert len(set(keys)) == len(keys)
    assert len(set(ends)) == len(ends)
    assert {key for source, _, target in ends for key in (source, target)} <= set(keys)


@UNHURRIED
@given(documents(keys="abcd"), st.data())
def test_changes_of_different_nodes_are_all_there(base, data):
    first, second = (data.draw(documents(keys=keys))["nodes"] for keys in ("ab", "cd"))

    def of(keys: str, nodes: list[Any]) -> list[Any]:
        return [each for each in nodes if each["key"] in keys]

    plain = {**base, "edges": []}
    mine = {**plain, "nodes": first + of("cd", base["nodes"])}
    theirs = {**plain, "nodes": of("ab", base["nodes"]) + second}
    merged = merge(plain, mine, theirs)
    assert not merged.conflicts
    assert nodes_in(merged.document) == {each["key"]: each for each in first + second}


@pytest.mark.parametrize("work", [merge, lambda base, mine, theirs: diff(mine, theirs)])
def test_ten_thousand_nodes_are_compared_within_two_seconds(work):
    base = document(*(node(f"n{number}") for number in range(10_000)), edges=edges_of(" ".join(f"n{number}" for number in range(10_000))))
    mine = {**base, "nodes": [{**each, "name": "mine"} for each in base["nodes"][:5000]] + base["nodes"][5000:]}
    theirs = {**base, "nodes": base["nodes"][:5000] + [{**each, "key": f"r{each['key']}"} for each in base["nodes"][5000:]], "edges": []}
    begun = thread_time()
    work(base, mine, theirs)
    assert thread_time() - begun < 2
