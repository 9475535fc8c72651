"""From syntax tree to the CEL text that is compiled.

What is known before anything runs becomes a variable: nodes.check.total > 1000 is written v0 > n0. So one CEL environment serves every
definition, expressions of one shape share one program, and only what is named is handed over.
"""

from bisect import bisect_right
from dataclasses import dataclass, field

from apps.engine.expressions.errors import ExpressionError
from apps.engine.expressions.functions import GLOBAL, MEMBER, Function
from apps.engine.expressions.lexer import EXACT
from apps.engine.expressions.syntax import (
    Binary,
    Call,
    Chain,
    Conditional,
    Expression,
    Has,
    Index,
    ListOf,
    Literal,
    Local,
    Macro,
    MapOf,
    Path,
    Select,
    TypeName,
    Unary,
)

MAX_LEAVES = 64
# Further numbers are written out.
MAX_NUMBERS = 16
# How tightly an operator binds; a looser one inside a tighter one is put in brackets.
_CONDITIONAL, _OR, _AND, _RELATION, _SUM, _PRODUCT, _UNARY, _MEMBER = range(8)
_LEVELS = {"||": _OR, "&&": _AND, "+": _SUM, "-": _SUM, "*": _PRODUCT}
# CEL's own division by zero is infinity, and its remainder is of integers only.
_OWN_OPERATORS = {"/": "divide_", "%": "remainder_"}
_NEEDS_QUOTES = frozenset({"in", "true", "false", "null"})
_ESCAPES = str.maketrans({**{chr(code): f"\\u{code:04x}" for code in range(32)}, "\\": "\\\\", '"': '\\"', "\x7f": "\\u007f"})


@dataclass(frozen=True, slots=True)
class Leaf:
    """A value looked up before CEL runs: that of a path, or whether it is there."""

    path: Path
    is_test: bool = False


@dataclass(frozen=True, slots=True)
class Emitted:
    """CEL text.

    leaves    by the number in their variable: v0, v1, …
    numbers   {variable: number}, of the variables n0, n1, …
    origins   [(offset in `text`, offset in the expression)], rising
    """

    text: str
    leaves: tuple[Leaf, ...]
    numbers: dict[str, float]
    origins: list[tuple[int, int]] = field(compare=False)

    def origin(self, offset: int) -> int:
        """Where in the expression the character at this offset of `text` comes from."""
        index = bisect_right(self.origins, offset, key=lambda origin: origin[0])
        return self.origins[max(index - 1, 0)][1]


def emit(tree: Expression) -> Emitted:
    """Write a tree as CEL. Raises ExpressionError when it names too many values."""
    emitter = _Emitter()
    emitter.write(tree)
    return Emitted("".join(emitter.pieces), tuple(emitter.leaves), emitter.numbers, emitter.origins)


class _Emitter:
    def __init__(self) -> None:
        self.pieces: list[str] = []
        self.leaves: dict[Leaf, int] = {}
        self.numbers: dict[str, float] = {}
        self.origins: list[tuple[int, int]] = []
        self._locals: list[str] = []
        self._length = 0

    def write(self, tree: Expression, level: int = _CONDITIONAL) -> None:
        """Write a tree where an operator of this level takes it."""
        needs_brackets = _level_of(tree) < level
        self.put("(" * needs_brackets)
        self.origins.append((self._length, tree.at))
        self._plain(tree)
        self.put(")" * needs_brackets)

    def put(self, text: str) -> None:
        self.pieces.append(text)
        self._length += len(text)

    def _plain(self, tree: Expression) -> None:
        match tree:
            case Literal(value=float() as number) if len(self.numbers) < MAX_NUMBERS:
                self.numbers[f"n{len(self.numbers)}"] = number
                self.put(f"n{len(self.numbers) - 1}")
            case Literal():
                self.put(_literal(tree.value))
            case Path():
                self._leaf(Leaf(tree), tree.at)
            case Has(operand=Path() as path):
                self._leaf(Leaf(path, is_test=True), tree.at)
            case Has():
                self._call("has", (tree.operand,))
            case Local():
                self.put(f"x{len(self._locals) - 1 - self._locals[::-1].index(tree.name)}")
            case TypeName():
                self.put(tree.name)
            case Select():
                self.write(tree.operand, _MEMBER)
                self.put(f".`{tree.name}`" if tree.name in _NEEDS_QUOTES else f".{tree.name}")
            case Index():
                self._index(tree)
            case Call():
                self._function(tree)
            case Macro():
                self._macro(tree)
            case Unary():
                self.put(tree.sign)
                self.write(tree.operand, _UNARY + 1)
            case Binary(sign=sign) if sign in _OWN_OPERATORS:
                self._call(_OWN_OPERATORS[sign], (tree.left, tree.right))
            case Binary():
                self._binary(tree)
            case Chain():
                self._separated(tree.operands, f" {tree.sign} ", _LEVELS[tree.sign] + 1)
            case Conditional():
                self._conditional(tree)
            case ListOf():
                self.put("[")
                self._separated(tree.items, ", ")
                self.put("]")
            case MapOf():
                self._map(tree)

    def _leaf(self, leaf: Leaf, at: int) -> None:
        number = self.leaves.setdefault(leaf, len(self.leaves))
        if number >= MAX_LEAVES:
            raise ExpressionError(f"Expected at most {MAX_LEAVES} different references in one expression, found more.", offset=at)
        self.put(f"v{number}")

    def _separated(self, trees: tuple[Expression, ...], separator: str, level: int = _CONDITIONAL) -> None:
        for index, tree in enumerate(trees):
            self.put(separator if index else "")
            self.write(tree, level)

    def _call(self, name: str, arguments: tuple[Expression, ...]) -> None:
        self.put(f"{name}(")
        self._separated(arguments, ", ")
        self.put(")")

    def _binary(self, tree: Binary) -> None:
        level = _LEVELS.get(tree.sign, _RELATION)
        self.write(tree.left, level)
        self.put(f" {tree.sign} ")
        self.write(tree.right, level + 1)

    def _conditional(self, tree: Conditional) -> None:
        """Both branches may be of any type, though CEL wants them alike: it lets one of type dyn pass."""
        self.write(tree.test, _OR)
        self.put(" ? ")
        if isinstance(tree.yes, Path) or isinstance(tree.no, Path):
            self.write(tree.yes, _OR)
        else:
            self._call("dyn", (tree.yes,))
        self.put(" : ")
        self.write(tree.no, _CONDITIONAL)

    def _index(self, tree: Index) -> None:
        """A list literal of CEL takes integers alone; one of type dyn takes 2.0 as well."""
        is_known_key = isinstance(tree.key, Literal)
        if is_known_key or isinstance(tree.operand, Path):
            self.write(tree.operand, _MEMBER)
        else:
            self._call("dyn", (tree.operand,))
        self.put("[")
        self._whole(tree.key) if is_known_key else self.write(tree.key)
        self.put("]")

    def _function(self, tree: Call) -> None:
        known = (GLOBAL if tree.receiver is None else MEMBER)[tree.name]
        self.put("double(" if known.gives_whole else "")
        if tree.receiver is not None and not known.is_global:
            self.write(tree.receiver, _MEMBER)
            self.put(".")
        first = (tree.receiver,) if tree.receiver is not None and known.is_global else ()
        self.put(f"{known.written or tree.name}(")
        self._arguments((*first, *tree.arguments), known)
        self.put("))" if known.gives_whole else ")")

    def _arguments(self, arguments: tuple[Expression, ...], known: Function) -> None:
        for index, argument in enumerate(arguments):
            self.put(", " if index else "")
            if index in known.whole_arguments:
                self._whole(argument)
            else:
                self.write(argument)

    def _whole(self, tree: Expression) -> None:
        """Write what CEL wants as an integer; texts stay as they are."""
        if not isinstance(tree, Literal):
            self._call("whole_", (tree,))
        elif not isinstance(tree.value, float):
            self.write(tree)
        elif tree.value.is_integer() and tree.value <= EXACT:
            self.put(str(int(tree.value)))
        else:
            raise ExpressionError(f"Expected a whole number, found {tree.value}.", offset=tree.at)

    def _macro(self, tree: Macro) -> None:
        if tree.name == "cel.bind":
            self.put(f"cel.bind(x{len(self._locals)}, ")
            self.write(tree.source)
        else:
            self.write(tree.source, _MEMBER)
            self.put(f".{tree.name}(x{len(self._locals)}")
        self.put(", ")
        self._locals.append(tree.variable)
        self._separated(tree.bodies, ", ")
        self._locals.pop()
        self.put(")")

    def _map(self, tree: MapOf) -> None:
        self.put("{")
        for index, (key, value) in enumerate(zip(tree.keys, tree.values, strict=True)):
            self.put(", " if index else "")
            self.write(key)
            self.put(": ")
            self.write(value)
        self.put("}")


def _level_of(tree: Expression) -> int:
    match tree:
        case Conditional():
            return _CONDITIONAL
        case Chain():
            return _LEVELS[tree.sign]
        case Binary(sign=sign):
            return _MEMBER if sign in _OWN_OPERATORS else _LEVELS.get(sign, _RELATION)
        case Unary():
            return _UNARY
    return _MEMBER


def _literal(value: float | str | bytes | None) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f'"{value.translate(_ESCAPES)}"'
    if isinstance(value, bytes):
        return 'b"' + "".join(f"\\x{byte:02x}" for byte in value) + '"'
    return repr(value)
