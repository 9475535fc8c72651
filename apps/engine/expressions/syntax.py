"""The syntax tree of an expression. `at` is the number of characters before a part; `depth` is the height of its tree."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Part:
    at: int = field(compare=False)
    depth: int = field(compare=False)


@dataclass(frozen=True, slots=True)
class Literal(Part):
    value: float | str | bytes | None


@dataclass(frozen=True, slots=True)
class Path(Part):
    """A reference that is known before anything runs: nodes.check.items[0]."""

    root: str
    steps: tuple[str | int, ...]

    def __str__(self) -> str:
        return self.root + "".join(f".{step}" if isinstance(step, str) and step.isidentifier() else f"[{step!r}]" for step in self.steps)


@dataclass(frozen=True, slots=True)
class Local(Part):
    """The variable of a macro: x in items.map(x, …)."""

    name: str


@dataclass(frozen=True, slots=True)
class TypeName(Part):
    name: str


@dataclass(frozen=True, slots=True)
class Has(Part):
    operand: "Path | Select"


@dataclass(frozen=True, slots=True)
class Select(Part):
    operand: "Expression"
    name: str


@dataclass(frozen=True, slots=True)
class Index(Part):
    operand: "Expression"
    key: "Expression"


@dataclass(frozen=True, slots=True)
class Call(Part):
    """A call of a function; `receiver` is None for a global one."""

    name: str
    receiver: "Expression | None"
    arguments: tuple["Expression", ...]


@dataclass(frozen=True, slots=True)
class Macro(Part):
    """source.name(variable, *bodies), or cel.bind(variable, source, body)."""

    name: str
    source: "Expression"
    variable: str
    bodies: tuple["Expression", ...]


@dataclass(frozen=True, slots=True)
class Unary(Part):
    sign: str
    operand: "Expression"


@dataclass(frozen=True, slots=True)
class Binary(Part):
    sign: str
    left: "Expression"
    right: "Expression"


@dataclass(frozen=True, slots=True)
class Chain(Part):
    """Any number of operands with && or || between."""

    sign: str
    operands: tuple["Expression", ...]


@dataclass(frozen=True, slots=True)
class Conditional(Part):
    test: "Expression"
    yes: "Expression"
    no: "Expression"


@dataclass(frozen=True, slots=True)
class ListOf(Part):
    items: tuple["Expression", ...]


@dataclass(frozen=True, slots=True)
class MapOf(Part):
    keys: tuple["Expression", ...]
    values: tuple["Expression", ...]


Expression = Literal | Path | Local | TypeName | Has | Select | Index | Call | Macro | Unary | Binary | Chain | Conditional | ListOf | MapOf
