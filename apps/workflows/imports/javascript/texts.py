"""Texts with `{{ … }}` in them, as n8n writes them behind a "=", in our words."""

from collections.abc import Callable, Iterator
from typing import Any

from apps.workflows.imports.blueprint import literal
from apps.workflows.imports.errors import LeftOut
from apps.workflows.imports.javascript.cel import Cel, of_text
from apps.workflows.imports.javascript.emitter import Emitter, Roots
from apps.workflows.imports.javascript.parser import parse
from apps.workflows.imports.javascript.syntax import Call, Expression, Member, Name
from apps.workflows.imports.templated_json import json_of

_MAX_PIECES = 200


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
    """A template of JSON text as a JSON value with expressions in it. Raises LeftOut."""
    emitter = Emitter(roots)

    def written(expression: Expression) -> Callable[[bool], str]:
        return lambda is_inside: wrapped(emitter.emit(expression if is_inside else _bare(expression)))

    return json_of([part if isinstance(part, str) else written(part) for part in split(text)])


def _bare(expression: Expression) -> Expression:
    """What JSON.stringify writes: outside of quotes the value itself is the same."""
    match expression:
        case Call(Member(Name("JSON"), "stringify"), (value, *_)):
            return value
    return expression
