"""From text to syntax tree: the grammar of CEL, less messages, with every name resolved.

Source: the CEL language definition, "Syntax".
"""

from collections.abc import Iterator

from apps.engine.expressions.errors import ExpressionError
from apps.engine.expressions.functions import GLOBAL, MACROS, MEMBER, NAMESPACES, TYPES
from apps.engine.expressions.lexer import Kind, Token, tokens
from apps.engine.expressions.names import Names
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
from apps.engine.problems import listed, nearest

MAX_TEXT = 8192
# CEL itself refuses trees higher than 32.
MAX_DEPTH = 32
_LEVELS = {"||": 1, "&&": 2, **dict.fromkeys(("<", "<=", ">", ">=", "==", "!=", "in"), 3), "+": 4, "-": 4, "*": 5, "/": 5, "%": 5}
_WORDS = {"true": True, "false": False, "null": None}


def parse(text: str, names: Names) -> Expression:
    """Read an expression. Raises ExpressionError: the first fault, with its offset."""
    if len(text) > MAX_TEXT:
        raise ExpressionError(f"Expected an expression of at most {MAX_TEXT} characters, found {len(text)}.", expression=text)
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ExpressionError("Expected text without lone surrogates, found one.", offset=error.start) from None
    try:
        return _Parser(tokens(text), names).whole()
    except ExpressionError as error:
        raise error.placed(expression=text) from None


class _Parser:
    def __init__(self, given: Iterator[Token], names: Names) -> None:
        self._rest = given
        self._next = next(self._rest)
        self._names = names
        self._locals: list[str] = []
        self._nesting = 0

    def whole(self) -> Expression:
        if self._is_at_end():
            raise ExpressionError("The expression is empty.", offset=self._next.at)
        tree = self._expression()
        if not self._is_at_end():
            raise self._unexpected("the end of the expression")
        return tree

    # Tokens

    def _is_at_end(self) -> bool:
        return self._next.kind is Kind.END

    def _advance(self) -> Token:
        token = self._next
        self._next = next(self._rest, token)
        return token

    def _is_next(self, sign: str) -> bool:
        # No other token has the text of a sign: names have letters, texts their quotes.
        return self._next.text == sign

    def _take(self, sign: str) -> bool:
        if self._next.text != sign:
            return False
        self._advance()
        return True

    def _expect(self, sign: str) -> None:
        if not self._take(sign):
            raise self._unexpected(f"'{sign}'")

    def _expect_name(self, what: str) -> Token:
        if self._next.kind is not Kind.NAME:
            raise self._unexpected(what)
        return self._advance()

    def _unexpected(self, expected: str) -> ExpressionError:
        found = "the end" if self._is_at_end() else self._next.text if self._next.kind is Kind.TEXT else f"'{self._next.text}'"
        return ExpressionError(f"Expected {expected}, found {found}.", offset=self._next.at)

    def _over(self, *parts: Expression | None, at: int) -> int:
        """Depth of a tree over these."""
        depth = 1 + max((part.depth for part in parts if part is not None), default=0)
        if depth > MAX_DEPTH:
            raise ExpressionError(f"Expected at most {MAX_DEPTH} operations inside one another or in a row, found more.", offset=at)
        return depth

    # Operators

    def _expression(self) -> Expression:
        self._nesting += 1
        if self._nesting > MAX_DEPTH:
            raise ExpressionError(f"Expected at most {MAX_DEPTH} levels of brackets, found more.", offset=self._next.at)
        test = self._binary(1)
        at = self._next.at
        if self._take("?"):
            yes = self._binary(1)
            self._expect(":")
            no = self._expression()
            test = Conditional(at, self._over(test, yes, no, at=at), test, yes, no)
        self._nesting -= 1
        return test

    def _binary(self, level: int) -> Expression:
        left = self._unary()
        while (found := _LEVELS.get(self._next.text, 0)) >= level:
            sign = self._advance()
            left = self._joined(sign, left, self._binary(found + 1))
        return left

    def _joined(self, sign: Token, left: Expression, right: Expression) -> Expression:
        if sign.text not in ("&&", "||"):
            return Binary(sign.at, self._over(left, right, at=sign.at), sign.text, left, right)
        operands = (*left.operands, right) if isinstance(left, Chain) and left.sign == sign.text else (left, right)
        return Chain(sign.at, self._over(*operands, at=sign.at), sign.text, operands)

    def _unary(self) -> Expression:
        signs = []
        while self._next.text in ("-", "!"):
            signs.append(self._advance())
        operand = self._member()
        for sign in reversed(signs):
            operand = Unary(sign.at, self._over(operand, at=sign.at), sign.text, operand)
        return operand

    # Members

    def _member(self) -> Expression:
        operand = self._primary()
        while True:
            at = self._next.at
            if self._take("."):
                operand = self._optional(operand, at) if self._is_next("?") else self._dotted(operand, at)
            elif self._take("["):
                key = self._expression()
                self._expect("]")
                operand = self._indexed(operand, key, at)
            else:
                return self._checked(operand)

    def _dotted(self, operand: Expression, at: int) -> Expression:
        name = self._expect_name("a name after '.'")
        return self._method(self._checked(operand), name) if self._is_next("(") else self._selected(operand, name.text, at)

    def _selected(self, operand: Expression, name: str, at: int) -> "Path | Select":
        if isinstance(operand, Path):
            return Path(operand.at, 1, operand.root, (*operand.steps, name))
        return Select(at, self._over(operand, at=at), operand, name)

    def _indexed(self, operand: Expression, key: Expression, at: int) -> Expression:
        step = _step_of(key)
        if isinstance(operand, Path) and step is not None:
            return Path(operand.at, 1, operand.root, (*operand.steps, step))
        operand = self._checked(operand)
        return Index(at, self._over(operand, key, at=at), operand, key)

    def _optional(self, operand: Expression, at: int) -> Expression:
        """x.?y.orValue(z) and x.?y.hasValue(); further names may stand between."""
        if not isinstance(operand, Path | Local | Select):
            raise ExpressionError("'.?' follows a name, such as input.?note.", offset=at)
        tests: list[Expression] = []
        while self._take("?") or (self._next.kind is Kind.NAME and self._next.text not in ("orValue", "hasValue")):
            operand = self._selected(operand, self._expect_name("a name after '.?'").text, at)
            tests.append(Has(at, self._over(operand, at=at), operand))
            if not self._take("."):
                raise ExpressionError("A value reached with '.?' may be missing: end it with .orValue(…) or .hasValue().", offset=at)
        name = self._expect_name("orValue or hasValue")
        arguments = self._arguments()
        is_there = self._all_of(tests, at)
        if name.text == "hasValue" and not arguments:
            return is_there
        if name.text != "orValue" or len(arguments) != 1:
            raise ExpressionError("'orValue' takes one value, 'hasValue' none.", offset=name.at)
        operand = self._checked(operand)
        return Conditional(at, self._over(is_there, operand, *arguments, at=at), is_there, operand, arguments[0])

    def _all_of(self, tests: list[Expression], at: int) -> Expression:
        # Of a path, the last test says it all: it is false, too, where an earlier step leads nowhere.
        last = tests[-1]
        if len(tests) == 1 or (isinstance(last, Has) and isinstance(last.operand, Path)):
            return last
        return Chain(at, self._over(*tests, at=at), "&&", tuple(tests))

    def _checked(self, operand: Expression) -> Expression:
        """Refuse a path that cannot be checked before anything runs."""
        if isinstance(operand, Path) and operand.root == "nodes" and not (operand.steps and isinstance(operand.steps[0], str)):
            raise ExpressionError("Write the key of the node out, as nodes.<key>: only then can it be checked.", offset=operand.at)
        if isinstance(operand, Path) and operand.root == "vars" and operand.steps and operand.steps[0] not in self._names.variables:
            known = self._names.variables
            raise ExpressionError(
                f"There is no variable '{operand.steps[0]}'; there is {listed(known) or 'none'}.",
                offset=operand.at,
                suggestion=nearest(operand.steps[0], known),
            )
        return operand

    def _method(self, receiver: Expression, name: Token) -> Expression:
        if name.text in MACROS:
            return self._macro(receiver, name)
        if name.text not in MEMBER:
            raise _unknown_function(name, set(MEMBER) | MACROS)
        arguments = self._arguments()
        return Call(name.at, self._over(receiver, *arguments, at=name.at), name.text, receiver, arguments)

    def _macro(self, source: Expression, name: Token) -> Expression:
        self._expect("(")
        variable = self._expect_name("the name of the macro's variable").text
        self._expect(",")
        bodies = self._bodies(variable)
        most = 2 if name.text == "map" else 1
        if len(bodies) > most:
            raise ExpressionError(f"'{name.text}' takes a variable and {most} expression(s), found {len(bodies)}.", offset=name.at)
        return Macro(name.at, self._over(source, *bodies, at=name.at), name.text, source, variable, bodies)

    def _bind(self, name: Token) -> Expression:
        self._expect("(")
        variable = self._expect_name("the name to bind").text
        self._expect(",")
        source = self._expression()
        self._expect(",")
        bodies = self._bodies(variable)
        if len(bodies) != 1:
            raise ExpressionError(f"'cel.bind' takes a name, a value and one expression, found {len(bodies)}.", offset=name.at)
        return Macro(name.at, self._over(source, *bodies, at=name.at), "cel.bind", source, variable, bodies)

    def _bodies(self, variable: str) -> tuple[Expression, ...]:
        self._locals.append(variable)
        bodies = [self._expression()]
        while self._take(","):
            bodies.append(self._expression())
        self._locals.pop()
        self._expect(")")
        return tuple(bodies)

    def _arguments(self) -> tuple[Expression, ...]:
        self._expect("(")
        found: list[Expression] = []
        while not self._take(")"):
            if found:
                self._expect(",")
            found.append(self._expression())
        return tuple(found)

    # Primaries

    def _primary(self) -> Expression:
        token = self._next
        if token.kind in (Kind.NUMBER, Kind.TEXT, Kind.BYTES):
            self._advance()
            return Literal(token.at, 1, token.value)
        if token.kind is Kind.NAME and token.text != "in":
            return self._named(self._advance())
        if self._take("("):
            inner = self._expression()
            self._expect(")")
            return inner
        if self._take("["):
            return self._list(token.at)
        if self._take("{"):
            return self._map(token.at)
        raise self._unexpected("a value")

    def _named(self, name: Token) -> Expression:
        if name.text in _WORDS:
            return Literal(name.at, 1, _WORDS[name.text])
        if self._is_next("("):
            return self._function(name)
        if name.text in self._locals:
            return Local(name.at, 1, name.text)
        if place := self._names.find_place(name.text):
            return Path(name.at, 1, *place)
        if name.text in NAMESPACES and self._is_next("."):
            return self._namespaced(name)
        if name.text in TYPES:
            return TypeName(name.at, 1, name.text)
        raise ExpressionError(
            f"'{name.text}' is not declared; declare it in inputs or variables, or write input.{name.text}.",
            offset=name.at,
            suggestion=nearest(name.text, self._names.bare | set(self._locals)),
        )

    def _namespaced(self, namespace: Token) -> Expression:
        self._expect(".")
        name = self._expect_name("the name of a function")
        token = Token(Kind.NAME, f"{namespace.text}.{name.text}", namespace.at)
        return self._bind(token) if token.text == "cel.bind" else self._function(token)

    def _function(self, name: Token) -> Expression:
        if name.text == "has":
            return self._has(name)
        if name.text not in GLOBAL:
            raise _unknown_function(name, set(GLOBAL))
        arguments = self._arguments()
        return Call(name.at, self._over(*arguments, at=name.at), name.text, None, arguments)

    def _has(self, name: Token) -> Expression:
        arguments = self._arguments()
        operand = arguments[0] if len(arguments) == 1 else None
        if isinstance(operand, Select) or (isinstance(operand, Path) and operand.steps):
            return Has(name.at, self._over(operand, at=name.at), operand)
        raise ExpressionError("'has' takes one field, such as has(input.note).", offset=name.at)

    def _list(self, at: int) -> Expression:
        items: list[Expression] = []
        while not self._take("]"):
            if items:
                self._expect(",")
                if self._take("]"):
                    break
            items.append(self._expression())
        return ListOf(at, self._over(*items, at=at), tuple(items))

    def _map(self, at: int) -> Expression:
        keys: list[Expression] = []
        values: list[Expression] = []
        while not self._take("}"):
            if keys:
                self._expect(",")
                if self._take("}"):
                    break
            keys.append(self._expression())
            self._expect(":")
            values.append(self._expression())
        return MapOf(at, self._over(*keys, *values, at=at), tuple(keys), tuple(values))


def _step_of(key: Expression) -> str | int | None:
    if not isinstance(key, Literal):
        return None
    if isinstance(key.value, float) and key.value.is_integer():
        return int(key.value)
    return key.value if isinstance(key.value, str) else None


def _unknown_function(name: Token, known: set[str]) -> ExpressionError:
    return ExpressionError(f"There is no function '{name.text}'.", offset=name.at, suggestion=nearest(name.text, known))
