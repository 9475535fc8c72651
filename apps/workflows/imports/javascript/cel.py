"""Pieces of CEL, put together with what is known of their kinds."""

import re
from dataclasses import dataclass

import orjson

from apps.workflows.imports.errors import LeftOut

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# Words of CEL, and the methods of its optional values.
_RESERVED = frozenset(
    ["as", "break", "const", "continue", "else", "false", "for", "function", "hasValue", "if", "import", "in", "let", "loop"]
)
_RESERVED |= {"namespace", "null", "orValue", "package", "return", "true", "var", "void", "while"}
_FALSY = '[null, "", 0, false]'
MAX_TEXT = 8_000


@dataclass(frozen=True, slots=True)
class Cel:
    """A piece of CEL.

    kind      "text", "number", "bool", "list", "object", "time", "null"; "any" where that is known only when it runs
    is_atom   whether it can stand beside an operator without brackets
    present   an expression that says whether the value is there; None where it always is, or nobody can tell
    """

    text: str
    kind: str = "any"
    is_atom: bool = True
    present: str | None = None

    def __post_init__(self) -> None:
        if len(self.text) > MAX_TEXT:
            raise LeftOut("The expression becomes too long.")

    @property
    def operand(self) -> str:
        return self.text if self.is_atom else f"({self.text})"


def of_text(text: str) -> Cel:
    return Cel(orjson.dumps(text).decode().replace("\x7f", "\\u007f"), "text")


def of_number(value: float) -> Cel:
    if value != value or value in (float("inf"), float("-inf")):
        raise LeftOut("The expression holds a number that JSON cannot hold.")
    return Cel(str(int(value)) if value.is_integer() and abs(value) < 2**53 else repr(value), "number")


def member(of: Cel, name: str) -> Cel:
    """of.name"""
    if is_plain(name):
        path = f"{of.operand}.{name}"
        return Cel(path, present=f"has({path})")
    quoted = of_text(name).text
    return Cel(f"{of.operand}[{quoted}]", present=f"{quoted} in {of.operand}")


def is_plain(name: str) -> bool:
    """Whether a name can stand behind a point."""
    return _NAME.fullmatch(name) is not None and name not in _RESERVED


def as_text(piece: Cel) -> Cel:
    """What a text shows of it."""
    return piece if piece.kind == "text" else Cel(f"string({piece.text})", "text")


def truth(piece: Cel) -> Cel:
    """Whether JavaScript takes it for true."""
    match piece.kind:
        case "bool":
            return piece
        case "list" | "object" | "time":
            return Cel("true", "bool")
        case "null":
            return Cel("false", "bool")
    plain = f"!({piece.operand} in {_FALSY})"
    return Cel(plain if piece.present is None else f"{piece.present} && {plain}", "bool", is_atom=False)


def is_missing(piece: Cel) -> Cel:
    """Whether it is null or not there."""
    plain = f"{piece.operand} == null"
    return Cel(plain if piece.present is None else f"!({piece.present}) || {plain}", "bool", is_atom=False)


def negated(piece: Cel) -> Cel:
    return Cel(f"!{piece.operand}" if piece.is_atom else f"!({piece.text})", "bool")


def chosen(test: Cel, then: Cel, otherwise: Cel) -> Cel:
    """test ? then : otherwise"""
    if then.kind == otherwise.kind:
        return Cel(f"{test.operand} ? {then.operand} : {otherwise.operand}", then.kind, is_atom=False)
    return Cel(f"{test.operand} ? dyn({then.text}) : dyn({otherwise.text})", "any", is_atom=False)
