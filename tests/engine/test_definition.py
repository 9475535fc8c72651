"""The document that people write: what is read, what is refused and how."""

import math
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from apps.engine.definition import AtLeast, DefaultOutput, Definition, Retry, definition_schema, parse_definition
from apps.engine.problems import InvalidDefinitionError

NODE = {"key": "a", "type": "data.set"}


def document(**changes: Any) -> dict[str, Any]:
    return {"name": "Orders", "nodes": [NODE], **changes}


def node(**changes: Any) -> dict[str, Any]:
    return document(nodes=[{**NODE, **changes}])


def faults_of(data: object) -> list[dict[str, Any]]:
    with pytest.raises(InvalidDefinitionError) as caught:
        parse_definition(data)
    assert caught.value.code == "invalid_definition"
    errors: list[dict[str, Any]] = caught.value.details["errors"]
    return errors


def test_a_small_document_gets_the_defaults():
    definition = parse_definition(document(edges=[{"source": "a", "target": "a"}]))

    (only,) = definition.nodes
    assert (only.join, only.on_error, only.retry, only.timeout_seconds, only.queue) == ("all", "fail", None, None, None)
    assert definition.edges[0].port == "out"
    assert definition.settings.on_error == "fail"


def test_every_key_of_the_format_is_read():
    definition = parse_definition(
        {
            "schema": 1,
            "name": "Orders",
            "description": "What happens to an order",
            "version": "1.0.0",
            "inputs": {"amount": "number"},
            "variables": {"limit": 1000},
            "nodes": [
                {
                    "key": "check",
                    "type": "http.request",
                    "name": "Check",
                    "config": {"url": "https://example.org"},
                    "join": {"at_least": 2},
                    "retry": {"max_attempts": 5, "strategy": "fixed", "delay_seconds": 2, "jitter": 0, "on": ["timeout"]},
                    "timeout_seconds": 1.5,
                    "on_error": {"default": None},
                    "on_worker_lost": "ask",
                    "queue": "code",
                    "disabled": True,
                    "notes": "slow",
                    "position": {"x": 1, "y": -2.5},
                }
            ],
            "edges": [{"source": "check", "port": "error", "target": "check"}],
            "output": {"total": "${amount}"},
            "settings": {"timeout_seconds": 60, "on_error": "continue", "priority": "high"},
        }
    )

    (check,) = definition.nodes
    assert check.join == AtLeast(at_least=2)
    assert check.on_error == DefaultOutput(default=None)
    assert check.retry == Retry(max_attempts=5, strategy="fixed", delay_seconds=2, jitter=0, on=("timeout",))
    assert check.position is not None
    assert check.position.y == -2.5
    assert definition.settings.priority == "high"


def test_abort_is_read_as_fail():
    assert parse_definition(node(on_error="abort")).nodes[0].on_error == "fail"


def test_on_error_retry_without_a_policy_has_the_default_one():
    assert parse_definition(node(on_error="retry")).nodes[0].retry == Retry()


def test_on_error_of_the_settings_reaches_the_nodes_that_name_none():
    nodes = [{"key": "a", "type": "x"}, {"key": "b", "type": "x", "on_error": "fail"}]
    definition = parse_definition(document(nodes=nodes, settings={"on_error": "continue"}))
    assert [each.on_error for each in definition.nodes] == ["continue", "fail"]


@pytest.mark.parametrize(
    ("data", "pointer", "found", "expected", "suggestion"),
    [
        ([], "", "[]", "an object", None),
        (None, "", "null", "an object", None),
        ({"nodes": []}, "/name", None, "a value for 'name'", None),
        ({"name": "x"}, "/nodes", None, "a value for 'nodes'", None),
        (document(schema=2), "/schema", "2", "1", None),
        (document(name=""), "/name", '""', "a text of 1 or more characters", None),
        (document(nods=[]), "/nods", "nods", "one of description, edges", "nodes"),
        (document(nodes={}), "/nodes", "{}", "an array", None),
        (document(nodes=[3]), "/nodes/0", "3", "an object", None),
        (node(key="two words"), "/nodes/0/key", '"two words"', "a text that matches", None),
        (node(key="$output"), "/nodes/0/key", '"$output"', "a text that matches", None),
        (node(key="a\n"), "/nodes/0/key", '"a\n"', "a text that matches", None),
        (node(key="k" * 65), "/nodes/0/key", "k" * 60, "a text that matches", None),
        (node(type=3), "/nodes/0/type", "3", "a text", None),
        (node(confg={}), "/nodes/0/confg", "confg", "one of cache, cancel_rest, compensate, config", "config"),
        (node(cache={"ttl": 1}), "/nodes/0/cache/ttl", "ttl", "one of key, ttl_seconds", None),
        (node(parents="loop"), "/nodes/0/parents", "parents", "one of cache, cancel_rest, compensate, config", "parent"),
        (node(join="al"), "/nodes/0/join", '"al"', "'all', 'any' or 'all_settled'", "all"),
        (node(join={"at_leest": 2}), "/nodes/0/join/at_leest", "at_leest", "one of at_least", "at_least"),
        (node(join={"at_least": 0}), "/nodes/0/join/at_least", "0", "a number of 1 or more", None),
        (node(retry={"max_attempts": True}), "/nodes/0/retry/max_attempts", "true", "a whole number", None),
        (node(retry={"max_attempts": "3"}), "/nodes/0/retry/max_attempts", '"3"', "a whole number", None),
        (node(retry={"max_attempts": 0}), "/nodes/0/retry/max_attempts", "0", "a number of 1 or more", None),
        (node(retry={"jitter": 1.5}), "/nodes/0/retry/jitter", "1.5", "a number of 1 or less", None),
        (node(retry={"strategy": "exponentiel"}), "/nodes/0/retry/strategy", '"exponentiel"', "'fixed' or 'exponential'", "exponential"),
        (node(retry={"delay": 1}), "/nodes/0/retry/delay", "delay", "one of delay_seconds", "delay_seconds"),
        (node(retry={"on": "timeout"}), "/nodes/0/retry/on", '"timeout"', "an array", None),
        (node(timeout_seconds=0), "/nodes/0/timeout_seconds", "0", "a number over 0", None),
        (node(timeout_seconds=1e12), "/nodes/0/timeout_seconds", "1000000000000.0", "or less", None),
        (node(on_error="failed"), "/nodes/0/on_error", '"failed"', "'fail', 'continue', 'skip' or 'retry'", "fail"),
        (node(on_error={"defualt": 1}), "/nodes/0/on_error/defualt", "defualt", "one of default", "default"),
        (node(on_worker_lost="rerunn"), "/nodes/0/on_worker_lost", '"rerunn"', "'rerun', 'ask' or 'fail'", "rerun"),
        (node(queue="Not A Queue"), "/nodes/0/queue", '"Not A Queue"', "a text that matches", None),
        (node(disabled="yes"), "/nodes/0/disabled", '"yes"', "true or false", None),
        (node(position={"x": 1}), "/nodes/0/position/y", None, "a value for 'y'", None),
        (document(edges=[{"source": "a"}]), "/edges/0/target", None, "a value for 'target'", None),
        (document(edges=[{"source": "a", "target": "a", "prt": "x"}]), "/edges/0/prt", "prt", "one of port", "port"),
        (document(settings={"max_parallel": 3}), "/settings/max_parallel", "max_parallel", "one of concurrency_key", None),
        (document(settings={"on_error": "skip"}), "/settings/on_error", '"skip"', "'fail' or 'continue'", None),
        (document(settings={"priority": "hi"}), "/settings/priority", '"hi"', "'high' or 'normal'", "high"),
        (document(variables={"two words": 1}), "/variables/two words", '"two words"', "a text that matches", None),
        (document(variables={"n": {"type": "number", "default": "x"}}), "/variables/n/default", '"x"', "type number", None),
        (document(inputs={"amount": "numbr"}), "/inputs/amount", '"numbr"', "one of string, number", "number"),
        (document(inputs={"amount": "integer"}), "/inputs/amount", '"integer"', "one of string, number", "number"),
        (document(inputs={"amount": 3}), "/inputs/amount", "3", "one of string, number", None),
        (document(inputs={"type": "array", "items": {}, "properties": {}}), "/inputs/type", '"array"', '"object"', "object"),
        (document(description="a\0b"), "/description", None, "a JSON value", None),
        (node(config={"x": math.nan}), "/nodes/0/config/x", None, "a JSON value", None),
        (node(config={"x": 2**70}), "/nodes/0/config/x", None, "a JSON value", None),
        (node(config={"x": {1, 2}}), "/nodes/0/config/x", None, "a JSON value", None),
    ],
)
def test_bad_documents_name_the_place_what_was_found_and_what_was_expected(
    data: object, pointer: str, found: str | None, expected: str, suggestion: str | None
):
    fault = next(fault for fault in faults_of(data) if fault["pointer"] == pointer)

    assert fault["found"] is None if found is None else found in fault["found"]
    assert expected in fault["expected"]
    assert fault["suggestion"] == suggestion
    assert fault["message"]


def test_all_faults_are_reported_at_once_up_to_a_hundred():
    assert len(faults_of(node(key="a b", type=3, join="x", retry={"max_attempts": 0}))) == 4
    assert len(faults_of(document(nodes=[{"key": "a b", "type": "x"}] * 300))) == 100


def test_the_message_shows_the_first_fault_and_counts_the_rest():
    with pytest.raises(InvalidDefinitionError, match=r"Unknown key 'nods'\. \(at '/nods'\) And 1 more\."):
        parse_definition(document(nods=1, edgs=2))


def test_a_parsed_definition_cannot_be_changed():
    definition = parse_definition(document())
    with pytest.raises(ValueError, match="frozen"):
        definition.nodes[0].key = "b"


def test_a_parsed_definition_shares_nothing_with_the_document():
    data = node(config={"values": {"a": 1}})
    definition = parse_definition(data)
    data["nodes"][0]["config"]["values"]["a"] = 2
    assert definition.nodes[0].config == {"values": {"a": 1}}


@pytest.mark.parametrize(
    ("inputs", "schema"),
    [
        ({}, {"type": "object", "properties": {}, "required": []}),
        (
            {"amount": "number", "note": "string?"},
            {"type": "object", "properties": {"amount": {"type": "number"}, "note": {"type": "string"}}, "required": ["amount"]},
        ),
        # Inputs may be called like the keywords of a schema, as long as each is named with a type.
        (
            {"type": "string", "title": "string?"},
            {"type": "object", "properties": {"type": {"type": "string"}, "title": {"type": "string"}}, "required": ["type"]},
        ),
        ({"type": "object"}, {"type": "object"}),
        ({"type": "object", "description": "anything"}, {"type": "object", "description": "anything"}),
        ({"$ref": "#/$defs/x", "$defs": {"x": {}}}, {"$ref": "#/$defs/x", "$defs": {"x": {}}}),
        ({"properties": {"a": {"type": "integer"}}}, {"properties": {"a": {"type": "integer"}}}),
    ],
)
def test_inputs_are_a_json_schema_or_the_short_form(inputs: dict[str, Any], schema: dict[str, Any]):
    assert parse_definition(document(inputs=inputs)).input_schema == schema


def test_variables_start_with_their_value_or_their_default():
    variables = {
        "plain": 3,
        "text": "x",
        "declared": {"type": "number", "default": 1.5},
        "bare": {"type": "string"},
        "object": {"type": "x", "more": 1},
    }
    assert parse_definition(document(variables=variables)).initial_variables == {
        "plain": 3,
        "text": "x",
        "declared": 1.5,
        "bare": None,
        "object": {"type": "x", "more": 1},
    }


def test_the_json_schema_of_definitions_accepts_what_is_accepted_and_refuses_what_is_refused():
    schema = definition_schema()
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema)

    assert validator.is_valid(document(inputs={"a": "number"}, edges=[{"source": "a", "target": "a"}]))
    assert not validator.is_valid(document(nods=[]))
    assert not validator.is_valid(node(join="al"))


def test_every_key_is_described_in_the_json_schema():
    schema = definition_schema()
    models = {"Definition": schema, **{name: model for name, model in schema["$defs"].items() if "properties" in model}}
    undescribed = [
        f"{name}.{key}"
        for name, model in models.items()
        for key, each in model["properties"].items()
        if "description" not in each and name != "Position"
    ]
    assert undescribed == []


def test_ten_thousand_nodes_are_read_and_no_more():
    nodes = [{"key": f"n{index}", "type": "data.set", "config": {"values": {"a": index}}} for index in range(10_000)]
    edges = [{"source": f"n{index}", "target": f"n{index + 1}"} for index in range(9_999)]

    definition = parse_definition(document(nodes=nodes, edges=edges))

    assert isinstance(definition, Definition)
    assert len(definition.nodes) == 10_000
    (fault,) = faults_of(document(nodes=[*nodes, {"key": "more", "type": "x"}]))
    assert fault["pointer"] == "/nodes"
