"""JSON as text with expressions in it, read as a value: so no quote in a value can break it."""

import json
import re
from collections.abc import Callable, Sequence
from typing import Any

from apps.workflows.imports.blueprint import literal
from apps.workflows.imports.errors import LeftOut

Write = Callable[[bool], str]
# Stands around the number of an expression that is taken out; a text that holds it, in any way of writing, is refused.
_MARK = "\ue000"
_PRIVATE = re.compile("\ue000|\\\\u[eE]000")


def json_of(parts: Sequence[str | Write]) -> Any:
    """The JSON value that texts and expressions together are.

    parts   a text, or what writes an expression in our words, told whether it stands between quotes: there it is a part of a text,
            elsewhere a value of any type
    Raises LeftOut where the texts are not JSON.
    """
    written, pieces, is_inside = "", list[str](), False
    for part in parts:
        if not isinstance(part, str):
            pieces.append(part(is_inside))
            name = f"{_MARK}{len(pieces) - 1}{_MARK}"
            written += name if is_inside else f'"{name}"'
            continue
        if _PRIVATE.search(part):
            raise LeftOut("The JSON holds signs of the private range.")
        written += part
        is_inside = _ends_inside(part, is_inside)
    try:
        value = json.loads(written, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise LeftOut("The JSON is not JSON once its expressions are taken out.") from error
    return _filled(value, pieces)


def _ends_inside(text: str, is_inside: bool) -> bool:
    """Whether a text of JSON ends between quotes."""
    at = 0
    while at < len(text):
        if text[at] == "\\":
            at += 1
        elif text[at] == '"':
            is_inside = not is_inside
        at += 1
    return is_inside


def _refuse(word: str) -> None:
    raise ValueError(word)


def _filled(value: Any, pieces: Sequence[str]) -> Any:
    if isinstance(value, dict):
        return {_key(name): _filled(each, pieces) for name, each in value.items()}
    if isinstance(value, list):
        return [_filled(each, pieces) for each in value]
    if not isinstance(value, str):
        return value
    return "".join(pieces[int(part)] if index % 2 else literal(part) for index, part in enumerate(value.split(_MARK)))


def _key(name: str) -> str:
    if _MARK in name:
        raise LeftOut("The name of an entry of the JSON is an expression.")
    return name
