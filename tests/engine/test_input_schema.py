"""The schema of an input is text of its author: what it says holds, and what it could do does not happen."""

import time

import pytest

from apps.engine.input_schema import MAX_PROBLEMS, UnusableSchemaError, input_problems


@pytest.mark.parametrize("schema", [None, {}])
def test_without_a_schema_everything_fits(schema):
    assert input_problems(schema, {"anything": [1]}) == []


def test_problems_name_their_place():
    schema = {
        "properties": {"a/b": {"type": "array", "items": {"type": "number", "minimum": 0}}, "name": {"pattern": "^[A-Z]"}},
        "required": ["c"],
    }

    found = input_problems(schema, {"a/b": [1, -1, "2"], "name": "ada"})

    assert [(each.pointer, each.message, each.found) for each in found] == [
        ("", "'c' is a required property", "an object with a/b, name"),
        ("/a~1b/1", "-1 is less than the minimum of 0", "-1"),
        ("/a~1b/2", "'2' is not of type 'number'", '"2"'),
        ("/name", '"ada" does not match "^[A-Z]"', '"ada"'),
    ]


def test_unknown_keys_are_named_with_those_that_are_known():
    schema = {"properties": {"a": {}}, "patternProperties": {"^x_": {"type": "string"}}, "additionalProperties": False}

    found = input_problems(schema, {"a": 1, "x_1": "fits", "x_2": 2, "b": 3})

    assert [(each.pointer, each.message) for each in found] == [
        ("", "Unknown key 'b'; expected a."),
        ("/x_2", "2 is not of type 'string'"),
    ]


def test_additional_keys_may_have_a_schema():
    found = input_problems({"additionalProperties": {"type": "integer"}}, {"a": 1, "b": "c"})

    assert [each.pointer for each in found] == ["/b"]


def test_references_within_the_schema_are_followed():
    schema = {
        "$defs": {"line": {"type": "object", "properties": {"next": {"$ref": "#/$defs/line"}, "id": {"type": "integer"}}}},
        "$ref": "#/$defs/line",
    }

    assert [each.pointer for each in input_problems(schema, {"next": {"next": {"id": "x"}}})] == ["/next/next/id"]


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ({"$ref": "http://127.0.0.1:1/schema"}, "127.0.0.1"),
        ({"$ref": "file:///etc/passwd"}, "etc/passwd"),
        ({"$ref": "#/$defs/missing"}, "missing"),
        ({"$ref": "#"}, "without end"),
        ({"type": "objekt"}, "objekt"),
        ({"additionalProperties": {"pattern": "(?=a)"}}, "RE2"),
        ({"unevaluatedProperties": False}, "unevaluatedProperties"),
    ],
)
def test_a_schema_that_cannot_be_applied_is_an_error(schema, message):
    with pytest.raises(UnusableSchemaError, match=message):
        input_problems(schema, {"a": "b"})


@pytest.mark.parametrize("keyword", ["pattern", "patternProperties", "additionalProperties"])
def test_no_pattern_takes_for_ever(keyword):
    schemas = {
        "pattern": {"properties": {"a": {"pattern": "^(a+)+$"}}},
        "patternProperties": {"patternProperties": {"^(a+)+$": False}},
        "additionalProperties": {"patternProperties": {"^(a+)+$": {}}, "additionalProperties": False},
    }
    started = time.monotonic()

    input_problems(schemas[keyword], {"a": "a" * 100_000 + "b", "a" * 100_000 + "b": 1})

    assert time.monotonic() - started < 1


def test_many_problems_are_cut_off():
    assert len(input_problems({"items": {"type": "string"}}, list(range(1_000)))) == MAX_PROBLEMS
