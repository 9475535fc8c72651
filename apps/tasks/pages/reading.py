"""What was filled into the fields of a page, as answers. Whether they fit is decided by the schema of the form alone."""

from collections.abc import Iterable, Mapping
from math import isfinite
from typing import Any

import orjson
from django.http import QueryDict

from apps.tasks.pages.fields import Field

EXACT = 2**53  # whole numbers below are exact in a float


class _NotReadError(Exception):
    """The text is no value of its kind; the argument is a word of `words`."""


def read_answers(fields: Iterable[Field], data: QueryDict) -> tuple[dict[str, Any], dict[str, str]]:
    """What was filled in, as answers; and {pointer: a word of `words`} of what could not be read."""
    answers: dict[str, Any] = {}
    faults: dict[str, str] = {}
    for each in fields:
        if each.kind == "group":
            inner, inner_faults = read_answers(each.fields, data)
            faults |= inner_faults if each.is_required or inner else {}
            if inner or each.is_required:
                answers[each.path[-1]] = inner
            continue
        try:
            found = _read(each, data)
        except _NotReadError as fault:
            faults[each.pointer] = str(fault)
            continue
        if not each.path and isinstance(found, Mapping):
            answers.update(found)
        elif found is not None:
            answers[each.path[-1]] = found
        elif each.is_required:
            faults[each.pointer] = "required"
    return answers, faults


def _read(each: Field, data: QueryDict) -> Any:
    """None where nothing was filled in."""
    text = str(data.get(each.name, ""))
    match each.kind:
        case "checkbox":
            return each.name in data
        case "checkboxes":
            chosen = set(data.getlist(each.name))
            values = [value for index, (value, _) in enumerate(each.choices) if str(index) in chosen]
            return values or ([] if each.is_required else None)
        case "radios" | "select":
            return each.choices[int(text)][0] if text.isdecimal() and int(text) < len(each.choices) else None
        case "lines":
            lines = [line.strip() for line in text.splitlines() if line.strip()]
            return lines or ([] if each.is_required else None)
    if not text.strip():
        return None
    return _value(each.kind, text)


def _value(kind: str, text: str) -> Any:
    match kind:
        case "text" | "long":
            return text.replace("\r\n", "\n")
        case "json":
            try:
                return orjson.loads(text)
            except orjson.JSONDecodeError as error:
                raise _NotReadError("json") from error
    try:
        number = float(text)
    except ValueError as error:
        raise _NotReadError(kind) from error
    if not isfinite(number):
        raise _NotReadError(kind)
    return int(number) if number.is_integer() and abs(number) < EXACT else number
