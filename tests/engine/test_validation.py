"""What is known to be wrong with a definition before it runs."""

from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.engine.problems import InvalidDefinitionError
from apps.engine.validation import validate
from tests.engine.node_types import CATALOG


def document(nodes: Iterable[str | dict[str, Any]], *paths: str, **changes: Any) -> dict[str, Any]:
    """A definition. "a" is a data.set node, "a:http.request" one of that type; "a -> b -error-> c" are two edges."""
    return {
        "name": "Test",
        "inputs": {"amount": "number", "rows": "array"},
        "nodes": [*map(_node, nodes)],
        "edges": [*_edges(paths)],
        **changes,
    }


def _node(node: str | dict[str, Any]) -> dict[str, Any]:
    if isinstance(node, dict):
        return {"type": "data.set", **node}
    key, _, kind = node.partition(":")
    return {"key": key, "type": kind or "data.set", "config": {"url": "https://example.org"} if kind == "http.request" else {}}


def _edges(paths: Iterable[str]) -> Iterable[dict[str, str]]:
    for path in paths:
        words = path.split()
        for source, arrow, target in zip(words[::2], words[1::2], words[2::2], strict=False):
            yield {"source": source, "port": arrow.strip("->") or "out", "target": target}


def reads(key: str, expression: str, **settings: Any) -> dict[str, Any]:
    return {"key": key, "type": "data.set", "config": {"values": {"x": expression}}, **settings}


def faults_of(data: object) -> list[dict[str, Any]]:
    with pytest.raises(InvalidDefinitionError) as caught:
        validate(data, CATALOG)
    errors: list[dict[str, Any]] = caught.value.details["errors"]
    return errors


def only_fault_of(data: object) -> dict[str, Any]:
    faults = faults_of(data)
    assert len(faults) == 1, faults
    return faults[0]


def warnings_of(data: object) -> list[tuple[str, str | None]]:
    return [(warning.pointer, warning.found) for warning in validate(data, CATALOG).warnings]


def test_a_sound_definition_is_returned_without_warnings():
    validated = validate(document(["t:trigger.test", "a", "b"], "t -> a -> b"), CATALOG)
    assert [node.key for node in validated.definition.nodes] == ["t", "a", "b"]
    assert validated.warnings == ()


@pytest.mark.parametrize(
    ("data", "pointer", "message", "suggestion"),
    [
        (document([]), "/nodes", "at least one node", None),
        (document(["a", "a"]), "/nodes/1/key", "'a' is that of node 0 already", None),
        (document(["a:data.st"]), "/nodes/0/type", "no node type 'data.st'", "data.set"),
        (document(["check"], "check -> chek"), "/edges/0/target", "no node 'chek'", "check"),
        (document(["check"], "chekc -> check"), "/edges/0/source", "no node 'chekc'", "check"),
        (document(["a", "b"], "a -uot-> b"), "/edges/0/port", "no port 'uot': it has error, out", "out"),
        (document(["a:control.if", "b"], "a -> b"), "/edges/0/port", "no port 'out': it has false, true", None),
        (document(["a:control.if", "b"], "a -error-> b"), "/edges/0/port", "no port 'error'", None),
        (document(["a", "b"], "a -> b", "a -> b"), "/edges/1", "Edge 0 is the same", None),
        (document(["a", "b", "c"], "a -> b -> c -> b"), "/edges/2", "b -> c -> b", None),
        (document(["a"], "a -> a"), "/edges/0", "a -> a", None),
        (document(["t:trigger.test", "a", "b"], "t -> a"), "/nodes/2", "'b' is out of reach", None),
        (document(["t:trigger.test", "a", "b"], "a -> b -> t"), "/edges/1/target", "is a trigger", None),
    ],
)
def test_faults_of_the_graph_name_their_place(data: object, pointer: str, message: str, suggestion: str | None):
    fault = next(fault for fault in faults_of(data) if fault["pointer"] == pointer)
    assert message in fault["message"]
    assert fault["suggestion"] == suggestion


def test_the_edge_that_a_cycle_points_to_closes_it():
    #  d ──▶ a ──▶ b ──▶ c
    #        ◀───────────┘
    data = document(["a", "b", "c", "d"], "d -> a -> b -> c -> a")
    fault = only_fault_of(data)

    first, *_, last = fault["found"].split(" -> ")
    edge = data["edges"][int(fault["pointer"].rpartition("/")[2])]
    assert first == last == edge["target"]
    assert set(fault["found"].split(" -> ")) == {"a", "b", "c"}


def test_a_cycle_of_thousands_is_shown_shortened():
    nodes = [f"n{index}" for index in range(3000)]
    fault = only_fault_of(document(nodes, " -> ".join([*nodes, "n0"])))
    assert "…" in fault["found"]
    assert len(fault["found"]) < 300


def test_two_edges_from_different_ports_to_one_node_are_two_edges():
    validate(document(["a:control.if", "b"], "a -true-> b", "a -false-> b"), CATALOG)


def test_without_a_trigger_every_node_without_edges_in_is_a_start():
    validate(document(["a", "b"]), CATALOG)


@pytest.mark.parametrize(
    ("config", "pointer", "message"),
    [
        ({"url": 3}, "/url", "Expected a text, found 3."),
        ({}, "/url", "'url' is missing."),
        ({"url": "x", "retris": 1}, "/retris", "Unknown key 'retris'."),
        ({"url": "${amount}", "retris": 1}, "/retris", "Unknown key 'retris'."),
        ({"url": "x", "retries": "many"}, "/retries", "Expected a whole number"),
        ({"url": "x", "codes": ["${amount}", "x"]}, "/codes/1", "Expected a whole number"),
        ({"url": "x", "login": {"kind": "basic", "user": "u"}}, "/login/password", "'password' is missing."),
        ({"url": "x", "login": {"kind": "basik"}}, "/login", "basic"),
    ],
)
def test_constants_of_a_config_are_checked(config: dict[str, Any], pointer: str, message: str):
    fault = only_fault_of(document([{"key": "a", "type": "http.request", "config": config}]))
    assert fault["pointer"] == f"/nodes/0/config{pointer}"
    assert message in fault["message"]


@pytest.mark.parametrize(
    "config",
    [
        {"url": "${rows}"},
        {"url": "x", "retries": "${amount}"},
        {"url": "x", "codes": "${rows}"},
        {"url": "x", "codes": [200, "${amount}"]},
        {"url": "x", "body": ["${amount}"]},
        {"url": "x", "login": "${rows[0]}"},
        {"url": "x", "login": {"kind": "${rows[0]}", "user": "u"}},
        {"url": "x", "login": {"kind": "basic", "user": "${rows[0]}", "password": "p"}},
    ],
)
def test_what_an_expression_gives_is_left_to_the_run(config: dict[str, Any]):
    validate(document([{"key": "a", "type": "http.request", "config": config}]), CATALOG)


def test_the_node_type_has_its_say():
    fault = only_fault_of(document([{"key": "a", "config": {"values": {"forbidden": 1}}}]))
    assert (fault["pointer"], fault["message"]) == ("/nodes/0/config/values/forbidden", "This one is not allowed.")


@pytest.mark.parametrize(
    ("data", "pointer", "message"),
    [
        (document([{"key": "a", "join": "any"}, "b"], "b -> a"), "/nodes/0/join", "1 edge(s) in"),
        (document([{"key": "a", "join": "all_settled"}]), "/nodes/0/join", "no edge leads"),
        (document([{"key": "a", "join": {"at_least": 3}}, "b", "c"], "b -> a", "c -> a"), "/nodes/0/join/at_least", "could never start"),
        (document([{"key": "a", "retry": {"max_attempts": 1}}]), "/nodes/0/retry/max_attempts", "no effect"),
        (document([{"key": "a", "retry": {"strategy": "fixed", "max_delay_seconds": 9}}]), "/nodes/0/retry/max_delay_seconds", "no effect"),
        (document([{"key": "a", "retry": {"delay_seconds": 400}}]), "/nodes/0/retry/delay_seconds", "300, its default"),
        (document([{"key": "a", "retry": {"delay_seconds": 9, "max_delay_seconds": 5}}]), "/nodes/0/retry/delay_seconds", "of 5"),
        (document([{"key": "a", "retry": {"delay_seconds": 0, "jitter": 0.5}}]), "/nodes/0/retry/jitter", "no delay"),
        (document([{"key": "a", "on_error": "skip"}, "b"], "a -error-> b"), "/nodes/0/on_error", "port 'error'"),
        (document([{"key": "a", "on_error": "continue"}, "b"], "a -error-> b"), "/nodes/0/on_error", "port 'error'"),
        (document([{"key": "a", "on_error": {"default": 1}}, "b"], "a -error-> b"), "/nodes/0/on_error", "port 'error'"),
        (document([{"key": "a", "on_worker_lost": "ask"}]), "/nodes/0/on_worker_lost", "nothing to the world"),
        (document([{"key": "a", "type": "control.if", "retry": {"max_attempts": 2}}]), "/nodes/0/retry", "does not fail"),
        (document([{"key": "a", "type": "control.if", "on_error": "skip"}]), "/nodes/0/on_error", "does not fail"),
        (document([{"key": "a", "timeout_seconds": 60}], settings={"timeout_seconds": 10}), "/nodes/0/timeout_seconds", "10 s"),
    ],
)
def test_a_setting_without_effect_is_refused(data: object, pointer: str, message: str):
    fault = only_fault_of(data)
    assert fault["pointer"] == pointer
    assert message in fault["message"]


@pytest.mark.parametrize(
    "data",
    [
        document([{"key": "a", "join": "all_settled"}, "b"], "b -> a"),
        document([{"key": "a", "join": {"at_least": 2}}, "b", "c"], "b -> a", "c -> a"),
        document([{"key": "a", "on_error": "retry"}, "b"], "a -error-> b"),
        document(["a", "b"], "a -error-> b", settings={"on_error": "continue"}),
        document([{"key": "a", "type": "http.request", "config": {"url": "x"}, "on_worker_lost": "ask"}]),
        document([{"key": "a", "retry": {"strategy": "fixed", "delay_seconds": 400}}]),
    ],
)
def test_a_setting_with_an_effect_is_accepted(data: object):
    validate(data, CATALOG)


@pytest.mark.parametrize(
    ("expression", "message", "suggestion"),
    [
        ("${amuont > 1}", "'amuont' is not declared", "amount"),
        ("${amount >}", "Expected a value, found the end", None),
        ("${'x}", "not closed", None),
        ("${amount", "its '}' is missing", None),
        ("${'x' + 1}", "'+' does not take (text, number)", None),
        ("${size(rows, 1)}", "'size' does not take this number of arguments", None),
        ("${siez(rows)}", "no function 'siez'", "size"),
        ("${vars.total}", "no variable 'total'", None),
        ("${nodes[rows[0]]}", "as nodes.<key>", None),
        ("${nodes.bb.x}", "there is no node 'bb'", "b"),
        ("${nodes.b.x}", "no path leads from 'b' to 'a'", None),
        ("${nodes.a.x}", "its own output", None),
    ],
)
def test_faults_of_expressions_name_the_text_that_holds_them(expression: str, message: str, suggestion: str | None):
    fault = only_fault_of(document([reads("a", expression), "b"], "a -> b"))
    assert fault["pointer"] == "/nodes/0/config/values/x"
    assert message in fault["message"]
    assert fault["suggestion"] == suggestion


def test_expressions_of_the_output_are_checked_too():
    assert only_fault_of(document(["a"], output={"total": "${nodes.b.x}"}))["pointer"] == "/output/total"


def test_an_output_that_looks_like_an_expression_but_is_text_gets_a_warning():
    assert warnings_of(document(["a"], output={"total": "nodes.a.total"})) == [("/output/total", "nodes.a.total")]


# a ─┬▶ b ─┬▶ d        the same with an `if` at a, and only b on one of its ports
#    └▶ c ─┘
PARALLEL = ("a -> b -> d", "a -> c -> d")
EITHER = ("a -true-> b -> d", "a -false-> c -> d")


@pytest.mark.parametrize(
    ("nodes", "paths"),
    [
        (["a", "b", "c", reads("d", "${nodes.a} ${nodes.b} ${nodes.c}")], PARALLEL),
        (["a:control.if", "b", "c", reads("d", "${nodes.a.x}")], EITHER),
        (["a", "b", "c", reads("d", "${nodes.a.x}", join="any")], PARALLEL),
        # Whoever asks first is not warned.
        (["a:control.if", "b", "c", reads("d", "${has(nodes.b.x) ? nodes.b.x : 0}")], EITHER),
        (["a:control.if", "b", "c", reads("d", "${nodes.b.?x.orValue(0)}")], EITHER),
        # Both ways lead to b, so it runs.
        (["a:control.if", "b", "c", reads("d", "${nodes.b.x}")], ("a -true-> b -> d", "a -false-> b", "a -true-> c", "c -> d")),
        (["a", "b", reads("c", "${nodes.b.x}")], ("a -> c", "b -> c")),
    ],
)
def test_nodes_that_have_surely_run_may_be_read(nodes: list[str | dict[str, Any]], paths: tuple[str, ...]):
    assert warnings_of(document(nodes, *paths)) == []


@pytest.mark.parametrize(
    ("nodes", "paths"),
    [
        (["a:control.if", "b", "c", reads("d", "${nodes.b.x}")], EITHER),
        (["a", "b", "c", reads("d", "${nodes.b.x}", join="any")], PARALLEL),
        (["a", "b", "c", reads("d", "${nodes.b.x}", join={"at_least": 2}), "e"], (*PARALLEL, "e -> d")),
        (["a", {"key": "b", "on_error": "skip"}, "c", reads("d", "${nodes.b.x}")], PARALLEL),
        (["a", "b", "c", reads("d", "${nodes.b.x}"), "e"], (*PARALLEL, "b -error-> e")),
        (["a:control.if", "b", "c", reads("d", "${nodes.b.x}", join="all_settled")], ("a -true-> b -> d", "a -false-> c")),
    ],
)
def test_nodes_that_may_not_have_run_get_a_warning(nodes: list[str | dict[str, Any]], paths: tuple[str, ...]):
    assert warnings_of(document(nodes, *paths)) == [("/nodes/3/config/values/x", "nodes.b")]


def test_the_output_is_warned_of_nodes_that_do_not_always_run():
    data = document(["a:control.if", "b", "c"], "a -true-> b", "a -false-> c", output={"a": "${nodes.a.x}", "b": "${nodes.b.x}"})
    assert warnings_of(data) == [("/output/b", "nodes.b")]


@pytest.mark.parametrize(
    ("inputs", "pointer"),
    [
        ({"type": "object", "properties": {"a": {"type": "strin"}}}, "/inputs/properties/a/type"),
        ({"type": "object", "required": "a"}, "/inputs/required"),
        ({"type": "object", "properties": {"a": {"pattern": "(?=x)"}}}, "/inputs/properties/a/pattern"),
        ({"type": "object", "patternProperties": {"(?<x": {}}}, "/inputs/patternProperties"),
        ({"type": "object", "properties": {"a": {"$ref": "https://example.org/x"}}}, "/inputs/properties/a/$ref"),
    ],
)
def test_a_schema_of_the_input_is_sound_and_stands_alone(inputs: dict[str, Any], pointer: str):
    assert only_fault_of(document(["a"], inputs=inputs))["pointer"] == pointer


def test_words_that_are_keywords_elsewhere_are_data_in_examples():
    validate(document(["a"], inputs={"type": "object", "properties": {"a": {"examples": [{"$ref": "x", "pattern": "("}]}}}), CATALOG)


def test_all_faults_are_found_at_once():
    data = document(["a:nothing", reads("b", "${1 +}"), {"key": "c", "join": "any"}, "c"], "b -> x", "b -> c -> b")
    assert {fault["pointer"] for fault in faults_of(data)} == {
        "/nodes/0/type",
        "/nodes/1/config/values/x",
        "/nodes/2/join",
        "/nodes/3/key",
        "/edges/0/target",
        "/edges/2",
    }


def test_no_more_than_a_hundred_faults_are_reported():
    assert len(faults_of(document([f"n{index}:nothing" for index in range(300)]))) == 100


def chain_of(length: int) -> dict[str, Any]:
    """A chain whose every node reads its predecessor and the first; no two expressions are the same."""
    nodes = [reads("n0", "${amount * 2}")]
    nodes += [reads(f"n{index}", f"${{nodes.n{index - 1}.x + nodes.n0.x > {index}}}") for index in range(1, length)]
    return document(nodes, " -> ".join(f"n{index}" for index in range(length)))


def test_ten_thousand_nodes_are_validated():
    validated = validate(chain_of(10_000), CATALOG)
    assert len(validated.definition.nodes) == 10_000
    assert validated.warnings == ()


def test_a_wide_and_dense_graph_is_validated():
    #  100 layers of 20 nodes, each node with edges to all of the next layer; the last reads the first
    layers = [[f"n{layer}_{place}" for place in range(20)] for layer in range(100)]
    nodes = [key for layer in layers for key in layer]
    edges = [f"{source} -> {target}" for near, far in pairwise(layers) for source in near for target in far]
    data = document([*nodes, reads("last", "${nodes.n0_0.x}")], *edges, *(f"{key} -> last" for key in layers[-1]))

    assert validate(data, CATALOG).warnings == ()


CREDENTIAL = "0193b2a4-7c11-7a55-9a3e-0d6f5b8c1e42"


@pytest.mark.parametrize(
    ("kind", "credentials", "pointer", "suggestion"),
    [
        ("data.set", {"default": CREDENTIAL}, "/nodes/0/credentials/default", None),
        ("http.request", {"defualt": CREDENTIAL}, "/nodes/0/credentials/defualt", "default"),
        ("database.query", {}, "/nodes/0/credentials", None),
    ],
)
def test_a_credential_without_a_place_and_a_place_without_the_credential_it_needs_are_refused(kind, credentials, pointer, suggestion):
    config = {"url": "https://example.org"} if kind == "http.request" else {}
    fault = only_fault_of(document([{"key": "a", "type": kind, "config": config, "credentials": credentials}]))
    assert (fault["pointer"], fault["suggestion"]) == (pointer, suggestion)


@pytest.mark.parametrize(
    "value", ["", "shop", "${input.id}", CREDENTIAL.upper(), f"{CREDENTIAL}\n", f"{{{CREDENTIAL}}}", 5, None, [CREDENTIAL]]
)
def test_a_credential_is_named_by_its_id_and_by_no_expression(value):
    node = {"key": "a", "type": "http.request", "config": {"url": "https://example.org"}, "credentials": {"default": value}}
    assert only_fault_of(document([node]))["pointer"] == "/nodes/0/credentials/default"


def test_a_credential_in_its_place_is_taken():
    node = {"key": "a", "type": "database.query", "credentials": {"default": CREDENTIAL}}
    assert validate(document([node]), CATALOG).definition.nodes[0].credentials == {"default": CREDENTIAL}


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=30, unique=True))
def test_a_graph_is_refused_exactly_when_it_has_a_cycle(pairs: list[tuple[int, int]]):
    data = document([f"n{index}" for index in range(10)], *(f"n{source} -> n{target}" for source, target in pairs))
    reach = {index: {target for source, target in pairs if source == index} for index in range(10)}
    for _ in range(10):
        reach = {index: targets.union(*(reach[target] for target in targets)) for index, targets in reach.items()}

    if any(index in targets for index, targets in reach.items()):
        assert "circle" in only_fault_of(data)["message"]
    else:
        validate(data, CATALOG)


@given(st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)), max_size=20, unique=True), st.integers(0, 7), st.integers(0, 7))
def test_a_node_may_read_exactly_the_nodes_upstream(pairs: list[tuple[int, int]], reader: int, read: int):
    forward = [(min(pair), max(pair)) for pair in pairs if pair[0] != pair[1]]
    nodes = [reads(f"n{index}", f"${{nodes.n{read}}}") if index == reader else f"n{index}" for index in range(8)]
    data = document(nodes, *(f"n{source} -> n{target}" for source, target in dict.fromkeys(forward)))
    upstream: set[int] = set()
    for _ in range(8):
        upstream |= {source for source, target in forward if target == reader or target in upstream}

    if read in upstream:
        validate(data, CATALOG)
    else:
        assert only_fault_of(data)["pointer"] == f"/nodes/{reader}/config/values/x"


def undone(undo: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    """a ▶ b, where `undo` undoes b."""
    return document(["a", {"key": "b", "compensate": "undo"}, {"key": "undo", **(undo or {})}], "a -> b", **changes)


def test_an_undo_node_reads_what_it_undoes_and_what_came_before_it():
    undo = {"config": {"values": {"x": "${nodes.b.id}", "y": "${nodes.a.id}", "z": "${amount}"}}}
    assert warnings_of(undone(undo)) == []


@pytest.mark.parametrize(
    ("data", "pointer", "message"),
    [
        (document(["a", {"key": "b", "compensate": "und"}, "undo"], "a -> b"), "/nodes/1/compensate", "no node 'und'"),
        (document([{"key": "b", "compensate": "b"}]), "/nodes/0/compensate", "cannot undo itself"),
        (document(["a", {"key": "b", "compensate": "c"}, "c"], "a -> b -> c"), "/nodes/1/compensate", "part of the graph"),
        (document(["t:trigger.test", {"key": "b", "compensate": "t"}], "t -> b"), "/nodes/1/compensate", "trigger"),
        (
            document([{"key": "a", "compensate": "u"}, {"key": "b", "compensate": "u"}, "u"], "a -> b"),
            "/nodes/1/compensate",
            "undoes node 'a' already",
        ),
        (document([{"key": "a", "compensate": "u"}, {"key": "u", "compensate": "v"}, "v"]), "/nodes/1/compensate", "not undone itself"),
        (undone({"on_error": "continue"}), "/nodes/2/on_error", "no effect"),
        (
            document(["a", {"key": "b", "compensate": "undo"}, reads("undo", "${nodes.c.id}"), "c"], "a -> b -> c"),
            "/nodes/2/config/values/x",
            "nodes.c",
        ),
        (undone(output={"x": "${nodes.undo.id}"}), "/output/x", "undoes 'b'"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_faults_of_undo_nodes(data, pointer, message):
    fault = only_fault_of(data)
    assert fault["pointer"] == pointer
    assert message in fault["message"]


def test_an_undo_node_is_not_out_of_reach_of_the_trigger():
    validate(document(["t:trigger.test", {"key": "b", "compensate": "undo"}, "undo"], "t -> b"), CATALOG)


def writes(key: str, *names: str, **settings: Any) -> dict[str, Any]:
    return {"key": key, "type": "data.set", "config": {"variables": dict.fromkeys(names, 1)}, **settings}


def test_branches_side_by_side_that_write_the_same_variable_are_warned_of():
    #  a ─┬▶ b ─┐
    #     └▶ c ─┴▶ d
    nodes = ["a", writes("b", "seen", "mine"), writes("c", "seen"), writes("d", "seen")]
    data = document(nodes, "a -> b -> d", "a -> c -> d", variables={"seen": 0})
    assert warnings_of(data) == [("/nodes/2/config/variables/seen", "seen")]


def test_ways_of_which_one_is_taken_are_not_side_by_side():
    nodes = ["a:control.if", writes("b", "seen"), "step", writes("c", "seen"), writes("d", "seen")]
    assert warnings_of(document(nodes, "a -true-> b -> d", "a -false-> step -> c -> d")) == []


def test_a_branch_within_a_parallel_branch_is_side_by_side_with_the_other():
    nodes = ["a", "x:control.if", writes("b", "seen"), writes("c", "seen")]
    assert warnings_of(document(nodes, "a -> x -true-> b", "a -> c")) == [("/nodes/3/config/variables/seen", "seen")]


def test_what_starts_whichever_way_was_taken_is_side_by_side_with_nothing_that_leads_to_it():
    nodes = ["a:control.if", writes("b", "seen"), {**writes("c", "seen"), "join": "all_settled"}, writes("d", "seen")]
    assert warnings_of(document(nodes, "a -true-> b", "a -true-> c", "a -false-> c", "a -false-> d")) != []


@pytest.mark.parametrize(
    ("settings", "pointer"),
    [
        ({"retry": {"max_attempts": 1}}, "/settings/retry/max_attempts"),
        ({"notify": [{"on": ["failed", "retrying"], "email": ["a@example.com"]}]}, "/settings/notify/0/on/1"),
        ({"notify": [{"on": ["compensation_failed"], "email": ["a@example.com"]}]}, "/settings/notify/0/on/0"),
        ({"notify": [{"on": ["failed"], "email": ["a@example.com", "nobody"]}]}, "/settings/notify/0/email/1"),
        ({"notify": [{"on": ["failed"], "email": []}]}, "/settings/notify/0/email"),
        ({"notify": [{"on": ["broken"], "webhook": "https://example.com"}]}, "/settings/notify/0/on/0"),
        ({"notify": [{"on": ["failed"], "webhook": "ftp://example.com"}]}, "/settings/notify/0/webhook"),
        ({"notify": [{"on": ["failed"], "webhook": "https://example.com", "secret": "x"}]}, "/settings/notify/0/secret"),
        ({"notify": [{"on": ["failed"]}]}, "/settings/notify/0/email"),
        ({"error_workflow": "the other one"}, "/settings/error_workflow"),
    ],
)
def test_faults_of_what_follows_the_end(settings, pointer):
    assert only_fault_of(document(["a"], settings=settings))["pointer"] == pointer
