"""Is the JSON Schema of the input a sound one, that can be checked without the network and in linear time?"""

from collections.abc import Iterator, Mapping
from typing import Any

import re2
from jsonschema import Draft202012Validator

from apps.engine.pointers import pointer_to
from apps.engine.problems import Problem, shown
from apps.engine.shapes import is_json_schema

# Their values are data, not schemas.
_PLAIN_VALUES = frozenset({"default", "const", "enum", "examples"})


def check_input_schema(inputs: Mapping[str, Any]) -> Iterator[Problem]:
    """Faults of `inputs`, where it is a JSON Schema (draft 2020-12)."""
    if not is_json_schema(inputs):
        return
    yield from schema_problems(inputs, "inputs")


def schema_problems(schema: Mapping[str, Any], *path: str | int) -> Iterator[Problem]:
    """Faults of a JSON Schema (draft 2020-12) that stands at `path`."""
    for error in Draft202012Validator(Draft202012Validator.META_SCHEMA).iter_errors(schema):
        yield Problem(pointer_to(*path, *error.absolute_path), f"No JSON Schema: {error.message}"[:300], found=shown(error.instance))
    yield from _unusable_keywords(schema, path)


def _unusable_keywords(schema: Any, path: tuple[str | int, ...]) -> Iterator[Problem]:
    if isinstance(schema, list):
        for index, each in enumerate(schema):
            yield from _unusable_keywords(each, (*path, index))
    elif isinstance(schema, dict):
        for name, value in schema.items():
            yield from _unusable_keyword(name, value, pointer_to(*path, name))
            if name not in _PLAIN_VALUES:
                yield from _unusable_keywords(value, (*path, name))


def _unusable_keyword(name: str, value: Any, pointer: str) -> Iterator[Problem]:
    if name == "$ref" and isinstance(value, str) and not value.startswith("#"):
        yield Problem(
            pointer,
            f"A schema refers to itself alone, found {shown(value)}.",
            found=shown(value),
            expected="a reference that begins with #",
        )
    patterns = (
        [value]
        if name == "pattern" and isinstance(value, str)
        else list(value)
        if name == "patternProperties" and isinstance(value, dict)
        else []
    )
    for pattern in patterns:
        if not _is_pattern(pattern):
            yield Problem(pointer, f"{shown(pattern)} is no pattern of RE2.", found=shown(pattern), expected="a pattern of RE2")


def _is_pattern(pattern: str) -> bool:
    options = re2.Options()
    options.log_errors = False
    try:
        re2.compile(pattern, options)
    except re2.error:
        return False
    return True
