"""JavaScript expressions as CEL: the operators. What a name stands for is said by `roots`, what a method does by `methods`."""

from collections.abc import Callable
from typing import Protocol

from apps.workflows.imports.errors import LeftOut
from apps.workflows.imports.javascript import cel
from apps.workflows.imports.javascript.cel import Cel
from apps.workflows.imports.javascript.methods import TIME_PARTS, call_function, call_method
from apps.workflows.imports.javascript.parser import parse
from apps.workflows.imports.javascript.syntax import (
    Array,
    Arrow,
    Binary,
    Call,
    Conditional,
    Expression,
    Index,
    Literal,
    Member,
    Name,
    Object,
    TemplateText,
    Unary,
)


class Roots(Protocol):
    """What the names of a product stand for: `$json`, `$('A').item.json`."""

    def find(self, expression: Expression, emit: Callable[[Expression], Cel]) -> Cel | None:
        """The piece that stands for an expression as a whole; None where it is made of parts. Raises LeftOut."""


def to_cel(text: str, roots: Roots) -> Cel:
    """Say a JavaScript expression in CEL. Raises LeftOut where there is no way to say the same."""
    return Emitter(roots).emit(parse(text))


class Emitter:
    """Walks over one expression; `_names` are the parameters of the arrow functions around."""

    def __init__(self, roots: Roots) -> None:
        self._roots = roots
        self._names: dict[str, str] = {}

    def emit(self, expression: Expression) -> Cel:
        if (found := self._roots.find(expression, self.emit)) is not None:
            return found
        match expression:
            case Literal(value):
                return self._literal(value)
            case TemplateText(parts):
                return self.joined([cel.of_text(each) if isinstance(each, str) else self.emit(each) for each in parts])
            case Name(name):
                return self._name(name)
            case Member() | Index():
                return self._step(expression)
            case Call():
                return self._call(expression)
            case Unary(sign, operand):
                return self._unary(sign, self.emit(operand))
            case Binary():
                return self._binary(expression)
            case Conditional(test, then, otherwise):
                return cel.chosen(cel.truth(self.emit(test)), self.emit(then), self.emit(otherwise))
            case Array(items):
                return Cel("[" + ", ".join(self.emit(each).text for each in items) + "]", "list")
            case Object(entries):
                pairs = [f"{cel.of_text(name).text}: {self.emit(each).text}" for name, each in entries]
                return Cel("{" + ", ".join(pairs) + "}", "object")
        raise LeftOut("The expression holds a function in a place where it has no counterpart.")

    def _literal(self, value: object) -> Cel:
        if isinstance(value, bool):
            return Cel("true" if value else "false", "bool")
        if value is None:
            return Cel("null", "null")
        return cel.of_number(value) if isinstance(value, float) else cel.of_text(str(value))

    def joined(self, pieces: list[Cel]) -> Cel:
        texts = [cel.as_text(each).operand for each in pieces if each.text != '""']
        return Cel(" + ".join(texts) or '""', "text", is_atom=len(texts) < 2)

    def _name(self, name: str) -> Cel:
        if name in self._names:
            return Cel(self._names[name])
        raise LeftOut(f"The name '{name}' in the expression has no counterpart.")

    def _step(self, expression: Member | Index) -> Cel:
        if self._is_optional(expression):
            return self._optional(expression)
        of = self.emit(expression.of)
        if isinstance(expression, Member):
            return self._member(of, expression.name)
        if isinstance(expression.at, Literal) and isinstance(expression.at.value, str):
            return cel.member(of, expression.at.value)
        return Cel(f"{of.operand}[{self.emit(expression.at).text}]")

    def _member(self, of: Cel, name: str) -> Cel:
        if name == "length":
            return Cel(f"size({of.text})", "number")
        if of.kind == "time":
            if name not in TIME_PARTS:
                raise LeftOut(f"The part '.{name}' of an instant has no counterpart.")
            return Cel(f"({TIME_PARTS[name].format(of.operand)})", "number")
        if of.kind in ("text", "number", "bool", "list"):
            raise LeftOut(f"'.{name}' of a {of.kind} has no counterpart.")
        return cel.member(of, name)

    def _is_optional(self, expression: Expression) -> bool:
        """Whether there is a `?.` in the chain of names that ends here."""
        while isinstance(expression, Member | Index):
            if expression.is_optional:
                return True
            expression = expression.of
        return False

    def _optional(self, expression: Expression) -> Cel:
        """a?.b.c as a.?b.?c: the first step that leads nowhere makes the whole null."""
        names: list[str] = []
        while self._is_optional(expression):
            if not isinstance(expression, Member) or not cel.is_plain(expression.name) or expression.name == "length":
                raise LeftOut("An optional step of the expression has no counterpart.")
            names.append(expression.name)
            expression = expression.of
        return Cel(self.emit(expression).operand + "".join(f".?{name}" for name in reversed(names)) + ".orValue(null)")

    def _call(self, call: Call) -> Cel:
        match call.function:
            case Name(name):
                return call_function(("new " if call.is_new else "") + name, [self.emit(each) for each in call.arguments])
            case Member(Name(space), name) if space in ("Math", "Object", "JSON", "Array", "DateTime", "Number", "Date"):
                return call_function(f"{space}.{name}", [self.emit(each) for each in call.arguments])
            case Member(of, name):
                return call_method(self, self.emit(of), name, call.arguments)
        raise LeftOut("The expression calls something that has no counterpart.")

    def arrow(self, function: Expression, of: str) -> tuple[str, Cel]:
        """(name of the variable in CEL, body) of the function that a method of a list is given."""
        if not isinstance(function, Arrow) or len(function.parameters) != 1:
            raise LeftOut(f"The function given to '.{of}()' has no counterpart; one with a single parameter and an expression has.")
        (parameter,) = function.parameters
        variable, around = f"each_{len(self._names) + 1}", dict(self._names)
        self._names[parameter] = variable
        body = self.emit(function.body)
        self._names = around
        return variable, body

    def _unary(self, sign: str, operand: Cel) -> Cel:
        match sign:
            case "!":
                return cel.negated(cel.truth(operand))
            case "-":
                return Cel(f"-{operand.operand}", "number", is_atom=False)
            case "+":
                return operand if operand.kind == "number" else Cel(f"double({operand.text})", "number")
        raise LeftOut(f"'{sign}' has no counterpart.")

    def _binary(self, expression: Binary) -> Cel:
        left, right, sign = self.emit(expression.left), self.emit(expression.right), expression.sign
        match sign:
            case "==" | "===" | "!=" | "!==":
                return self._equal(left, right, is_negated=sign.startswith("!"))
            case "&&" if left.kind == right.kind == "bool":
                return Cel(f"{left.operand} && {right.operand}", "bool", is_atom=False)
            case "||" if left.kind == right.kind == "bool":
                return Cel(f"{left.operand} || {right.operand}", "bool", is_atom=False)
            case "&&":
                return cel.chosen(cel.truth(left), right, left)
            case "||":
                return cel.chosen(cel.truth(left), left, right)
            case "??":
                return cel.chosen(cel.is_missing(left), right, left)
            case "+" if "text" in (left.kind, right.kind):
                return self.joined([left, right])
            case "+":
                kind = "number" if left.kind == right.kind == "number" else "any"
                return Cel(f"{left.operand} + {right.operand}", kind, is_atom=False)
            case "<" | ">" | "<=" | ">=":
                return Cel(f"{left.operand} {sign} {right.operand}", "bool", is_atom=False)
        return Cel(f"{left.operand} {sign} {right.operand}", "number", is_atom=False)

    def _equal(self, left: Cel, right: Cel, *, is_negated: bool) -> Cel:
        if "null" in (left.kind, right.kind):
            missing = cel.is_missing(left if right.kind == "null" else right)
            return cel.negated(missing) if is_negated else missing
        if left.kind != right.kind and "any" not in (left.kind, right.kind):
            raise LeftOut(f"The expression compares a {left.kind} with a {right.kind}.")
        return Cel(f"{left.operand} {'!=' if is_negated else '=='} {right.operand}", "bool", is_atom=False)
