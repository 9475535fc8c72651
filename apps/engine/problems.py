"""Faults of a document, each with its place: what was found, what was expected, and the nearest right name."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from difflib import get_close_matches
from heapq import nsmallest
from inspect import isclass
from typing import Any, get_args

import orjson
from pydantic import BaseModel, ValidationError

from apps.engine.errors import InvalidError
from apps.engine.pointers import pointer_to

MAX_PROBLEMS = 100
_SHOWN_LENGTH = 80
_SHOWN_NAMES = 20
_COMPARED_NAMES = 200
_PART_LENGTH = 4


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault.

    pointer      JSON pointer (RFC 6901) into the document
    found        what stands there, shortened; None when something is missing
    expected     what should stand there, in words
    suggestion   the nearest name that would be right, None when nothing is near
    """

    pointer: str
    message: str
    found: str | None = None
    expected: str | None = None
    suggestion: str | None = None

    def as_json(self) -> dict[str, str | None]:
        return asdict(self)


class InvalidDefinitionError(InvalidError):
    """A definition has faults; `details["errors"]` lists the first hundred, in the shape of `Problem`."""

    code = "invalid_definition"

    def __init__(self, problems: Sequence[Problem]) -> None:
        first = problems[0]
        more = f" And {len(problems) - 1} more." if len(problems) > 1 else ""
        super().__init__(
            f"The definition is not valid: {first.message} (at '{first.pointer}'){more}",
            errors=[problem.as_json() for problem in problems[:MAX_PROBLEMS]],
        )


def nearest(name: object, names: Iterable[str]) -> str | None:
    """The known name that `name` was probably meant to be, None when none is near."""
    if not isinstance(name, str):
        return None
    wanted = name.lower()[:_SHOWN_LENGTH]
    # Comparing is slow, so of many names only those that look alike are compared.
    likely = nsmallest(_COMPARED_NAMES, names, key=lambda known: (known[:1].lower() != wanted[:1], abs(len(known) - len(wanted))))
    by_lower = {known.lower(): known for known in likely}
    found = get_close_matches(wanted, by_lower, n=1)
    if not found and len(wanted) >= _PART_LENGTH:
        found = [known for known in by_lower if wanted in known][:1]
    return by_lower[found[0]] if found else None


def listed(names: Iterable[str]) -> str:
    """Names as a sentence part, shortened when they are many."""
    known = sorted(names)
    return ", ".join(known[:_SHOWN_NAMES]) + (f" and {len(known) - _SHOWN_NAMES} more" if len(known) > _SHOWN_NAMES else "")


def shown(value: object) -> str:
    """A value as short JSON text, for messages."""
    if isinstance(value, Mapping) and value:
        return f"an object with {listed(map(str, value))}"[:_SHOWN_LENGTH]
    if isinstance(value, list) and value:
        return f"an array of {len(value)}"
    text = orjson.dumps(value, default=repr).decode() if not isinstance(value, str) else f'"{value}"'
    return text if len(text) <= _SHOWN_LENGTH else text[: _SHOWN_LENGTH - 1] + "…"


def problems_of(error: ValidationError, model: type[BaseModel], data: object, *, base: str = "") -> list[Problem]:
    """Pydantic's errors as problems.

    data   what was validated; used to tell keys from the union tags that Pydantic puts into its locations
    base   JSON pointer of `data` in the whole document
    """
    return [problem_of(each, model, data, base=base) for each in error.errors(include_url=False)]


def problem_of(error: Mapping[str, Any], model: type[BaseModel], data: object, *, base: str = "") -> Problem:
    """One of Pydantic's errors as a problem; arguments as of `problems_of`."""
    path = path_of(error, data)
    pointer = base + pointer_to(*path)
    match error["type"]:
        case "extra_forbidden":
            return unknown_key(pointer, str(path[-1]), _known_names(model, path[:-1]))
        case "missing":
            return Problem(pointer, f"'{path[-1]}' is missing.", expected=f"a value for '{path[-1]}'")
        case "value_error":
            return Problem(pointer, str(error["ctx"]["error"]), found=shown(error["input"]))
    expected, found = _expected(error), shown(error["input"])
    choices = [choice.strip("'") for choice in expected.replace(" or ", ", ").split(", ")] if error["type"] == "literal_error" else []
    return Problem(
        pointer, f"Expected {expected}, found {found}.", found=found, expected=expected, suggestion=nearest(error["input"], choices)
    )


def unknown_key(pointer: str, key: str, known: Sequence[str]) -> Problem:
    return Problem(pointer, f"Unknown key '{key}'.", found=key, expected=f"one of {listed(known)}", suggestion=nearest(key, known))


def path_of(error: Mapping[str, Any], data: object) -> list[str | int]:
    """The keys and indexes that lead to the place of one of Pydantic's errors; its union tags are left out."""
    path: list[str | int] = []
    for index, part in enumerate(error["loc"]):
        names_what_is_not_there = error["type"] == "missing" and index == len(error["loc"]) - 1
        if (isinstance(data, Mapping) and part in data) or (isinstance(data, list) and isinstance(part, int) and part < len(data)):
            data = data[part]
        elif not names_what_is_not_there:
            continue
        path.append(part)
    return path


def _known_names(model: type[BaseModel], path: Sequence[str | int]) -> list[str]:
    models = [model]
    for part in path:
        inner = [each.annotation for outer in models for name, each in outer.model_fields.items() if part in (name, each.alias)]
        models = [found for annotation in inner for found in _models_in(annotation)] or models
    return [each.alias or name for found in models for name, each in found.model_fields.items()]


def _models_in(annotation: object) -> list[type[BaseModel]]:
    if isclass(annotation) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for argument in get_args(annotation) for model in _models_in(argument)]


_EXPECTED = {
    "string_type": "a text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "int_parsing": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "dict_type": "an object",
    "model_type": "an object",
    "model_attributes_type": "an object",
    "list_type": "an array",
    "tuple_type": "an array",
    "literal_error": "{expected}",
    "greater_than": "a number over {gt:g}",
    "greater_than_equal": "a number of {ge:g} or more",
    "less_than": "a number under {lt:g}",
    "less_than_equal": "a number of {le:g} or less",
    "string_pattern_mismatch": "a text that matches {pattern}",
    "string_too_short": "a text of {min_length} or more characters",
    "string_too_long": "a text of at most {max_length} characters",
    "too_short": "{min_length} or more items",
    "too_long": "at most {max_length} items",
}


def _expected(error: Mapping[str, Any]) -> str:
    template = _EXPECTED.get(error["type"])
    if template is not None:
        return template.format(**error.get("ctx", {}))
    message: str = error["msg"]
    return message.removeprefix("Input should be ").rstrip(".")
