"""The parts of a JavaScript expression."""

from dataclasses import dataclass
from typing import Any


class Expression:
    """Base of every part."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Literal(Expression):
    """A number, text, true, false, null or undefined (both None)."""

    value: Any


@dataclass(frozen=True, slots=True)
class TemplateText(Expression):
    """`a${b}c`: texts and expressions in their order."""

    parts: tuple[str | Expression, ...]


@dataclass(frozen=True, slots=True)
class Name(Expression):
    name: str


@dataclass(frozen=True, slots=True)
class Member(Expression):
    """a.b, or a?.b."""

    of: Expression
    name: str
    is_optional: bool = False


@dataclass(frozen=True, slots=True)
class Index(Expression):
    """a[b], or a?.[b]."""

    of: Expression
    at: Expression
    is_optional: bool = False


@dataclass(frozen=True, slots=True)
class Call(Expression):
    """f(a, b), or new f(a, b)."""

    function: Expression
    arguments: tuple[Expression, ...]
    is_new: bool = False


@dataclass(frozen=True, slots=True)
class Unary(Expression):
    sign: str
    operand: Expression


@dataclass(frozen=True, slots=True)
class Binary(Expression):
    sign: str
    left: Expression
    right: Expression


@dataclass(frozen=True, slots=True)
class Conditional(Expression):
    test: Expression
    then: Expression
    otherwise: Expression


@dataclass(frozen=True, slots=True)
class Array(Expression):
    items: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Object(Expression):
    entries: tuple[tuple[str, Expression], ...]


@dataclass(frozen=True, slots=True)
class Arrow(Expression):
    """(a, b) => body."""

    parameters: tuple[str, ...]
    body: Expression
