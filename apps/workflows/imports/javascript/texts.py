"""Texts with `{{ … }}` in them, as n8n writes them behind a "=", in our words."""

import json
import re
from collections.abc import Iterator
from typing import Any

from apps.workflows.imports.blueprint import literal
from apps.workflows.imports.errors import LeftOut
from apps.workflows.imports.javascript.cel import Cel, of_text
from apps.workflows.imports.javascript.emitter import Emitter, Roots
from apps.workflows.imports.javascript.parser import parse
from apps.workflows.imports.javascript.syntax import Call, Expression, Member, Name

_MAX_PIECES = 200
# Stands around the number of a taken out expression; a text that holds it in any way of writing is refused.
_MARK = "\ue000"
_PRIVATE = re.compile("\ue000|\\\\u[eE]000")


def split(text: str) -> Iterator[str | Expression]:
    """The texts and expressions of a template in their order. Raises LeftOut."""
    at = 0
    for _ in range(_MAX_PIECES):
        opening = text.find("{{", at)
        if opening < 0:
            yield text[at:]
            return
        yield text[at:opening]
        expression, at = _expression(text, opening + 2)
        yield expression
    raise LeftOut(f"A text has at most {_MAX_PIECES} expressions.")


def _expression(text: str, start: int) -> tuple[Expression, int]:
    """(expression, where the text goes on): it ends at the first `}}` that makes it whole, since an object may end so too."""
    fault = LeftOut("An expression is not closed: its '}}' is missing.")
    end = text.find("}}", start)
    for _ in range(4):
        if end < 0:
            break
        try:
            return parse(text[start:end].strip()), end + 2
        except LeftOut as found:
            fault = found
        end = text.find("}}", end + 1)
    raise fault


def translated(text: str, roots: Roots) -> str:
    """A template in our words: one expression alone keeps its type. Raises LeftOut."""
    emitter = Emitter(roots)
    parts = [each if isinstance(each, str) else emitter.emit(each) for each in split(text)]
    if len([part for part in parts if part != ""]) == 1:
        parts = [part for part in parts if part != ""]
    return "".join(literal(part) if isinstance(part, str) else wrapped(part) for part in parts)


def as_cel(text: str, roots: Roots) -> Cel:
    """A template as one piece of CEL: texts and expressions are joined. Raises LeftOut."""
    emitter = Emitter(roots)
    parts = [part for part in split(text) if part != ""]
    pieces = [of_text(part) if isinstance(part, str) else emitter.emit(part) for part in parts]
    return pieces[0] if len(pieces) == 1 else emitter.joined(pieces)


def bare_text(expression: str | Expression, roots: Roots) -> str:
    """One expression that gives JSON: what JSON.stringify writes is the value itself."""
    return wrapped(Emitter(roots).emit(_bare(expression))) if not isinstance(expression, str) else literal(expression)


def wrapped(piece: Cel) -> str:
    return f"${{{piece.text}}}"


def json_value(text: str, roots: Roots) -> Any:
    """A template of JSON text as a JSON value with expressions in it, so that no quote in a value can break it. Raises LeftOut.

    An expression outside of quotes becomes a value of any type, one inside a part of the text.
    """
    emitter, pieces, written, is_inside = Emitter(roots), [], "", False
    if _PRIVATE.search(text):
        raise LeftOut("The JSON holds signs of the private range.")
    for part in split(text):
        if isinstance(part, str):
            written += part
            is_inside = _ends_inside(part, is_inside)
        else:
            pieces.append(wrapped(emitter.emit(part if is_inside else _bare(part))))
            name = f"{_MARK}{len(pieces) - 1}{_MARK}"
            written += name if is_inside else f'"{name}"'
    try:
        value = json.loads(written, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise LeftOut("The JSON is not JSON once its expressions are taken out.") from error
    return _filled(value, pieces)


def _bare(expression: Expression) -> Expression:
    """What JSON.stringify writes: outside of quotes the value itself is the same."""
    match expression:
        case Call(Member(Name("JSON"), "stringify"), (value, *_)):
            return value
    return expression


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


def _filled(value: Any, pieces: list[str]) -> Any:
    if isinstance(value, dict):
        return {_key(name): _filled(each, pieces) for name, each in value.items()}
    if isinstance(value, list):
        return [_filled(each, pieces) for each in value]
    if not isinstance(value, str):
        return value
    parts = value.split(_MARK)
    return "".join(pieces[int(part)] if index % 2 else literal(part) for index, part in enumerate(parts))


def _key(name: str) -> str:
    if _MARK in name:
        raise LeftOut("The name of an entry of the JSON is an expression.")
    return name
