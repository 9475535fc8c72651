"""Input checked against its JSON Schema, which is somebody else's text: no network, no endless patterns."""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import islice
from typing import Any

import orjson
import re2
from jsonschema import Draft202012Validator, ValidationError
from jsonschema.exceptions import UnknownType
from jsonschema.validators import extend
from referencing.exceptions import Unresolvable
from referencing.jsonschema import EMPTY_REGISTRY

from apps.engine.errors import InvalidError
from apps.engine.pointers import pointer_to
from apps.engine.problems import Problem, listed, shown

MAX_PROBLEMS = 20
_MAX_MESSAGE_LENGTH = 200


class UnusableSchemaError(InvalidError):
    """A JSON Schema cannot be applied: it refers outside itself or to itself without end, or says what we do not know."""

    code = "unusable_schema"


def input_problems(schema: Mapping[str, Any] | None, value: object) -> list[Problem]:
    """What of `value` does not fit its schema, at most 20 problems; none without a schema. Raises UnusableSchemaError.

    A `$ref` resolves within the schema alone, and patterns are RE2, which takes time linear in the text.
    """
    if not schema:
        return []
    try:
        errors = islice(_validator(orjson.dumps(schema)).iter_errors(value), MAX_PROBLEMS)
        return sorted(map(_problem, errors), key=lambda problem: problem.pointer)
    except Unresolvable as error:
        raise UnusableSchemaError(f"The schema refers to '{error.ref}', which is not part of it.") from error
    except re2.error as error:
        raise UnusableSchemaError(f"The schema holds a pattern that RE2 does not know: {error.args[0].decode()}.") from error
    except UnknownType as error:
        raise UnusableSchemaError(f"The schema holds an unknown type: {shown(error.type)}.") from error
    except RecursionError as error:
        raise UnusableSchemaError("The schema refers to itself without end.") from error


@lru_cache(maxsize=256)
def _validator(schema: bytes) -> Any:
    """To make one takes longer than to check a small input; it is not changed by checking."""
    return _Validator(orjson.loads(schema), registry=EMPTY_REGISTRY)


def _problem(error: ValidationError) -> Problem:
    message = error.message if len(error.message) <= _MAX_MESSAGE_LENGTH else error.message[: _MAX_MESSAGE_LENGTH - 1] + "…"
    return Problem(pointer_to(*error.absolute_path), message, found=shown(error.instance))


def _matches(pattern: str, text: str) -> bool:
    return _compiled(pattern).search(text) is not None


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> Any:
    options = re2.Options()
    options.log_errors = False
    return re2.compile(pattern, options)


def _pattern(validator: Any, pattern: str, value: object, schema: object) -> Iterator[ValidationError]:
    if isinstance(value, str) and not _matches(pattern, value):
        yield ValidationError(f"{shown(value)} does not match {shown(pattern)}")


def _pattern_properties(validator: Any, patterns: Mapping[str, Any], value: object, schema: object) -> Iterator[ValidationError]:
    if isinstance(value, dict):
        for pattern, inner in patterns.items():
            for name in value:
                if _matches(pattern, name):
                    yield from validator.descend(value[name], inner, path=name, schema_path=pattern)


def _additional_properties(validator: Any, inner: object, value: object, schema: Mapping[str, Any]) -> Iterator[ValidationError]:
    if not isinstance(value, dict):
        return
    for name in value.keys() - schema.get("properties", {}).keys():
        if any(_matches(pattern, name) for pattern in schema.get("patternProperties", {})):
            continue
        if inner is False:
            yield ValidationError(f"Unknown key '{name}'; expected {listed(schema.get('properties', {})) or 'none'}.")
        else:
            yield from validator.descend(value[name], inner, path=name)


def _unevaluated(validator: Any, inner: object, value: object, schema: object) -> Iterator[ValidationError]:
    raise UnusableSchemaError("The schema uses 'unevaluatedProperties', which is not supported; use 'additionalProperties'.")


# All keywords that look at patterns: the library's own give them to `re`, which may backtrack for ever.
_Validator: Any = extend(  # type: ignore[no-untyped-call]
    Draft202012Validator,
    {
        "pattern": _pattern,
        "patternProperties": _pattern_properties,
        "additionalProperties": _additional_properties,
        "unevaluatedProperties": _unevaluated,
    },
)
