"""The short forms of a definition: inputs by a word each, variables with a type."""

from collections.abc import Mapping
from typing import Any

TYPE_WORDS = ("string", "number", "boolean", "object", "array")
# With any of these, and a value that is no type word, `inputs` is a JSON Schema.
_SCHEMA_KEYS = frozenset({"properties", "required", "additionalProperties", "allOf", "anyOf", "oneOf"})
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
