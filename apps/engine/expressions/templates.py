"""JSON values with expressions in their texts: {"url": "https://example.org/${input.id}"}.

A text that is one expression becomes its value, of whatever type; in longer text the results are spliced in. `$${` stands for a plain `${`.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol, TypeVar

import orjson

from apps.engine.expressions.compiled import Compiled, compile_expression
from apps.engine.expressions.errors import ExpressionError
from apps.engine.expressions.lexer import Kind, tokens
from apps.engine.expressions.names import Names, Scope
from apps.engine.expressions.values import MAX_RESULT
from apps.engine.pointers import pointer_to

_Step = TypeVar("_Step", str, int)

_OPENING = "${"
# Without texts, comments and braces, the first closing brace is the end.
_PLAIN_EXPRESSION = re.compile(r"""[^{}"'/]*\}""")


class _Piece(Protocol):
    """A part that holds an expression; constant parts have no piece and are handed on as they are."""

    def resolve(self, scope: Scope) -> Any: ...


@dataclass(frozen=True, slots=True)
class Template:
    """A compiled value.

    expressions   ((JSON pointer of its text, expression), …)
    """

    expressions: tuple[tuple[str, Compiled], ...]
    _value: Any
    _piece: _Piece | None

    @property
    def nodes(self) -> frozenset[str]:
        """Keys of the nodes that it reads."""
        return frozenset(key for _, expression in self.expressions for key in expression.nodes)

    @property
    def is_constant(self) -> bool:
        return not self.expressions

    def uses(self, root: str) -> bool:
        """Whether it reads anything of `input`, `vars`, `nodes`, `execution` or `env`."""
        return any(leaf.path.root == root for _, expression in self.expressions for leaf in expression.leaves)

    def resolve(self, scope: Scope) -> Any:
        """The value with its expressions evaluated. Raises ExpressionError, with the pointer of the text at fault."""
        return self._value if self._piece is None else self._piece.resolve(scope)


@dataclass(frozen=True, slots=True)
class _One:
    expression: Compiled
    pointer: str

    def resolve(self, scope: Scope) -> Any:
        try:
            return self.expression.evaluate(scope)
        except ExpressionError as error:
            raise error.placed(pointer=self.pointer) from None


@dataclass(frozen=True, slots=True)
class _Text:
    parts: tuple[str | _One, ...]
    pointer: str

    def resolve(self, scope: Scope) -> str:
        text = "".join(part if isinstance(part, str) else _spliced(part.resolve(scope)) for part in self.parts)
        if len(text) > MAX_RESULT:
            raise ExpressionError(f"Expected at most {MAX_RESULT // 1024} KiB of text, found more.", pointer=self.pointer)
        return text


@dataclass(frozen=True, slots=True)
class _List:
    constant: list[Any]
    pieces: tuple[tuple[int, _Piece], ...]

    def resolve(self, scope: Scope) -> list[Any]:
        resolved = list(self.constant)
        for index, piece in self.pieces:
            resolved[index] = piece.resolve(scope)
        return resolved


@dataclass(frozen=True, slots=True)
class _Object:
    constant: dict[str, Any]
    pieces: tuple[tuple[str, _Piece], ...]

    def resolve(self, scope: Scope) -> dict[str, Any]:
        return {**self.constant, **{name: piece.resolve(scope) for name, piece in self.pieces}}


def compile_template(value: Any, names: Names, *, verbatim: frozenset[str] = frozenset()) -> Template:
    """Compile the expressions in a JSON value. Raises ExpressionError at the first that does not compile.

    verbatim   keys of the value, an object, whose values are taken as they are
    """
    template, faults = check_template(value, names, verbatim=verbatim)
    if faults:
        raise faults[0]
    return template


def check_template(value: Any, names: Names, *, verbatim: frozenset[str] = frozenset()) -> tuple[Template, list[ExpressionError]]:
    """Compile the expressions in a JSON value, and say of each that does not compile why."""
    compiler = _Compiler(names)
    piece = compiler.piece(value, "") if not verbatim else compiler.object_piece(value, verbatim)
    return Template(tuple(compiler.expressions), value, piece), compiler.faults


class _Compiler:
    def __init__(self, names: Names) -> None:
        self.names = names
        self.expressions: list[tuple[str, Compiled]] = []
        self.faults: list[ExpressionError] = []

    def piece(self, value: Any, pointer: str) -> _Piece | None:
        """What stands for a value that changes, None for a constant one."""
        match value:
            case str():
                return self._text(value, pointer) if _OPENING in value else None
            case dict():
                named = self._pieces(value.items(), pointer)
                return _Object(value, named) if named else None
            case list():
                numbered = self._pieces(enumerate(value), pointer)
                return _List(value, numbered) if numbered else None
        return None

    def object_piece(self, value: dict[str, Any], verbatim: frozenset[str]) -> _Piece | None:
        named = self._pieces(((name, each) for name, each in value.items() if name not in verbatim), "")
        return _Object(value, named) if named else None

    def _pieces(self, items: Iterable[tuple[_Step, Any]], pointer: str) -> tuple[tuple[_Step, _Piece], ...]:
        found = []
        for step, value in items:
            if isinstance(value, str | dict | list) and (piece := self.piece(value, pointer + pointer_to(step))) is not None:
                found.append((step, piece))
        return tuple(found)

    def _text(self, text: str, pointer: str) -> _Piece | None:
        try:
            parts = tuple(self._part(part, is_expression, pointer) for part, is_expression in split_text(text))
        except ExpressionError as error:
            self.faults.append(error.placed(pointer=pointer))
            return None
        return parts[0] if len(parts) == 1 and isinstance(parts[0], _One) else _Text(parts, pointer)

    def _part(self, part: str, is_expression: bool, pointer: str) -> str | _One:
        if not is_expression:
            return part
        compiled = compile_expression(part, self.names)
        self.expressions.append((pointer, compiled))
        return _One(compiled, pointer)


@lru_cache(maxsize=8192)
def split_text(text: str) -> tuple[tuple[str, bool], ...]:
    """(part, whether it is an expression) in order; plain text is unescaped. Raises ExpressionError when an expression is not closed."""
    parts: list[tuple[str, bool]] = []
    plain = ""
    for piece, is_expression in _pieces(text):
        if not is_expression:
            plain += piece
            continue
        parts += [(plain, False)] * bool(plain) + [(piece, True)]
        plain = ""
    return tuple(parts + [(plain, False)] * bool(plain))


def _pieces(text: str) -> Iterator[tuple[str, bool]]:
    at = 0
    while (opening := text.find(_OPENING, at)) >= 0:
        if opening > at and text[opening - 1] == "$":
            yield text[at : opening - 1] + _OPENING, False
            at = opening + len(_OPENING)
            continue
        yield text[at:opening], False
        start = opening + len(_OPENING)
        end = _end_of_expression(text, start)
        yield text[start:end], True
        at = end + 1
    yield text[at:], False


def _end_of_expression(text: str, start: int) -> int:
    if plain := _PLAIN_EXPRESSION.match(text, start):
        return plain.end() - 1
    depth = 0
    try:
        for token in tokens(text, start):
            if token.kind is Kind.END:
                break
            if token.kind is Kind.SIGN and token.text == "}" and depth == 0:
                return token.at
            depth += {"{": 1, "}": -1}.get(token.text, 0) if token.kind is Kind.SIGN else 0
    except ExpressionError as error:
        raise ExpressionError(error.bare_message, expression=text[start:], offset=(error.offset or start) - start) from None
    raise ExpressionError(
        f"The expression that begins at character {start - 1} is not closed: its '}}' is missing.", expression=text[start:], offset=0
    )


def _spliced(value: Any) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()
