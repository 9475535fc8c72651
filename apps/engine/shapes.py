"""The short forms of a definition: inputs by a word each, variables with a type."""

from collections.abc import Iterator, Mapping
from typing import Any

from apps.engine.pointers import pointer_to
from apps.engine.problems import Problem, nearest, shown

TYPE_WORDS = ("string", "number", "boolean", "object", "array")
# With any of these, and a value that is no type word, `inputs` is a JSON Schema.
_SCHEMA_KEYS = frozenset({"properties", "required", "additionalProperties", "allOf", "anyOf", "oneOf"})
_OTHER_WORDS = {
    "integer": "number",
    "int": "number",
    "float": "number",
    "bool": "boolean",
    "str": "string",
    "text": "string",
    "list": "array",
}
_INPUT_WORDS = frozenset((*TYPE_WORDS, *(f"{word}?" for word in TYPE_WORDS)))


def is_json_schema(inputs: Mapping[str, Any]) -> bool:
    """Whether `inputs` is a JSON Schema rather than the short form, which names inputs by a type word each.

    {"type": "object"} is a schema; {"type": "string", "note": "string"} names two inputs.
    """
    if any(name.startswith("$") for name in inputs):
        return True
    others = [name for name, value in inputs.items() if not isinstance(value, str) or value not in _INPUT_WORDS]
    return inputs == {"type": "object"} or (bool(others) and (inputs.get("type") == "object" or not _SCHEMA_KEYS.isdisjoint(others)))


def input_schema_of(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """JSON Schema of the input. In the short form every name is required, unless its word ends in "?"; other names are let through."""
    if is_json_schema(inputs):
        return dict(inputs)
    return {
        "type": "object",
        "properties": {name: {"type": word.removesuffix("?")} for name, word in inputs.items()},
        "required": [name for name, word in inputs.items() if not word.endswith("?")],
    }


def is_declaration(value: object) -> bool:
    """Whether a variable is written as {"type": str, "default": any} rather than as its first value."""
    return isinstance(value, dict) and "type" in value and value.keys() <= {"type", "default"} and value["type"] in TYPE_WORDS


def input_shape_problems(inputs: Mapping[str, Any]) -> Iterator[Problem]:
    """What is wrong with `inputs` as one of its two forms; whether a JSON Schema is a sound one, `validate` says."""
    if is_json_schema(inputs):
        if inputs.get("type", "object") != "object":
            message = f"The input of a workflow is an object, found a schema of {shown(inputs['type'])}."
            yield Problem("/inputs/type", message, found=shown(inputs["type"]), expected='"object"', suggestion="object")
        return
    for name, word in inputs.items():
        if not isinstance(word, str) or word not in _INPUT_WORDS:
            expected = f"one of {', '.join(TYPE_WORDS)}, with a '?' where it is optional, or a JSON Schema as the whole"
            message = f"'{name}' is of no known type: {shown(word)}."
            yield Problem(pointer_to("inputs", name), message, found=shown(word), expected=expected, suggestion=_meant(word))


def variable_problems(variables: Mapping[str, Any]) -> Iterator[Problem]:
    """Declared variables whose default is not of their type."""
    for name, value in variables.items():
        if is_declaration(value) and value.get("default") is not None and not _is_of(value["type"], value["default"]):
            found, expected = shown(value["default"]), f"a value of type {value['type']}"
            yield Problem(pointer_to("variables", name, "default"), f"Expected {expected}, found {found}.", found=found, expected=expected)


def _meant(word: object) -> str | None:
    return _OTHER_WORDS.get(word, nearest(word, TYPE_WORDS)) if isinstance(word, str) else None


def _is_of(word: str, value: object) -> bool:
    if word in ("string", "boolean", "object", "array"):
        return isinstance(value, {"string": str, "boolean": bool, "object": dict, "array": list}[word])
    return isinstance(value, int | float) and not isinstance(value, bool)
