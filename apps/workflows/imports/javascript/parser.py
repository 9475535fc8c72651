"""JavaScript expressions read into their parts, by precedence climbing.

Statements, regular expressions, assignments, `function`, spreads and whatever else has no counterpart raise LeftOut.
"""

from apps.workflows.imports.errors import LeftOut
from apps.workflows.imports.javascript.lexer import Token, tokens, unescaped
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

MAX_DEPTH = 24
_BINDING = {"??": 1, "||": 2, "&&": 3, "==": 4, "!=": 4, "===": 4, "!==": 4, "<": 5, ">": 5, "<=": 5, ">=": 5, "+": 6, "-": 6}
_BINDING |= {"*": 7, "/": 7, "%": 7}
_WORDS = {"true": True, "false": False, "null": None, "undefined": None}
_REFUSED = frozenset(["function", "class", "await", "async", "yield", "delete", "void", "instanceof", "in", "throw", "var", "let", "const"])
_REFUSED |= {"return", "if", "for", "while"}


def parse(text: str) -> Expression:
    """Read one expression. Raises LeftOut, with a sentence that says what is not understood."""
    parser = _Parser(tokens(text))
    found = parser.expression()
    parser.skip(";")
    if parser.token.kind != "end":
        raise LeftOut(f"The expression goes on where it should end: '{parser.token.text}'.")
    return found


class _Parser:
    def __init__(self, found: list[Token], depth: int = 0) -> None:
        self._tokens, self._at, self._depth = found, 0, depth

    @property
    def token(self) -> Token:
        return self._tokens[self._at]

    def skip(self, sign: str) -> bool:
        """Go past a sign if it is the next."""
        if self.token.kind == "sign" and self.token.text == sign:
            self._at += 1
            return True
        return False

    def _need(self, sign: str) -> None:
        if not self.skip(sign):
            raise LeftOut(f"The expression is not understood: expected '{sign}', found '{self.token.text or 'its end'}'.")

    def expression(self) -> Expression:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise LeftOut(f"The expression is more than {MAX_DEPTH} levels deep.")
        found = self._arrow() or self._conditional()
        self._depth -= 1
        return found

    def _arrow(self) -> Expression | None:
        """An arrow function, None where none begins here."""
        start = self._at
        parameters = self._parameters()
        if parameters is None or not self.skip("=>"):
            self._at = start
            return None
        if self.token.text == "{":
            raise LeftOut("The expression holds a function with statements.")
        return Arrow(parameters, self.expression())

    def _parameters(self) -> tuple[str, ...] | None:
        if self.token.kind == "name":
            self._at += 1
            return (self._tokens[self._at - 1].text,)
        names: list[str] = []
        if not self.skip("("):
            return None
        while self.token.kind == "name":
            names.append(self.token.text)
            self._at += 1
            if not self.skip(","):
                break
        return tuple(names) if self.skip(")") else None

    def _conditional(self) -> Expression:
        test = self._binary(1)
        if not self.skip("?"):
            return test
        then = self.expression()
        self._need(":")
        return Conditional(test, then, self.expression())

    def _binary(self, least: int) -> Expression:
        left = self._unary()
        while self.token.kind == "sign" and (binding := _BINDING.get(self.token.text, 0)) >= least:
            sign = self.token.text
            self._at += 1
            left = Binary(sign, left, self._binary(binding + 1))
        return left

    def _unary(self) -> Expression:
        signs: list[str] = []
        while (self.token.kind == "sign" and self.token.text in ("!", "-", "+")) or self.token.text == "typeof":
            signs.append(self.token.text)
            self._at += 1
        if len(signs) > MAX_DEPTH:
            raise LeftOut(f"The expression is more than {MAX_DEPTH} levels deep.")
        found = self._postfix(self._primary())
        for sign in reversed(signs):
            found = Unary(sign, found)
        return found

    def _postfix(self, found: Expression) -> Expression:
        steps = 0
        while True:
            steps += 1
            if steps > 2 * MAX_DEPTH:
                raise LeftOut("The expression has too many steps after one another.")
            if self.skip("."):
                found = Member(found, self._word())
            elif self.skip("?."):
                found = self._optional(found)
            elif self.skip("["):
                found = self._index(found, is_optional=False)
            elif self.skip("("):
                found = Call(found, self._list(")"))
            else:
                return found

    def _optional(self, found: Expression) -> Expression:
        if self.skip("["):
            return self._index(found, is_optional=True)
        return Member(found, self._word(), is_optional=True)

    def _index(self, found: Expression, *, is_optional: bool) -> Expression:
        at = self.expression()
        self._need("]")
        return Index(found, at, is_optional)

    def _word(self) -> str:
        token = self.token
        if token.kind != "name":
            raise LeftOut(f"The expression is not understood: expected a name, found '{token.text or 'its end'}'.")
        self._at += 1
        return token.text

    def _list(self, closing: str) -> tuple[Expression, ...]:
        found: list[Expression] = []
        while not self.skip(closing):
            found.append(self.expression())
            if not self.skip(","):
                self._need(closing)
                break
        return tuple(found)

    def _primary(self) -> Expression:
        token = self.token
        self._at += token.kind != "end"
        match token.kind:
            case "number" | "text":
                return Literal(token.value)
            case "template":
                return self._template(str(token.value))
            case "name":
                return self._named(token.text)
        return self._bracketed(token.text)

    def _named(self, name: str) -> Expression:
        if name in _WORDS:
            return Literal(_WORDS[name])
        if name == "new":
            made = self._word()
            return Call(Name(made), self._list(")") if self.skip("(") else (), is_new=True)
        if name in _REFUSED:
            raise LeftOut(f"The expression holds '{name}', which has no counterpart.")
        return Name(name)

    def _bracketed(self, sign: str) -> Expression:
        match sign:
            case "(":
                inner = self.expression()
                self._need(")")
                return inner
            case "[":
                return Array(self._list("]"))
            case "{":
                return self._object()
        raise LeftOut(f"The expression is not understood at '{sign or 'its end'}'.")

    def _object(self) -> Expression:
        entries: list[tuple[str, Expression]] = []
        while not self.skip("}"):
            token = self.token
            if token.kind not in ("name", "text"):
                raise LeftOut(f"The expression is not understood: expected the name of an entry, found '{token.text or 'its end'}'.")
            self._at += 1
            name = str(token.value) if token.kind == "text" else token.text
            entries.append((name, self.expression() if self.skip(":") else Name(name)))
            if not self.skip(","):
                self._need("}")
                break
        return Object(tuple(entries))

    def _template(self, text: str) -> Expression:
        parts: list[str | Expression] = []
        at = 0
        while (opening := text.find("${", at)) >= 0:
            closing = text.find("}", opening)
            if closing < 0 or "{" in text[opening + 2 : closing]:
                raise LeftOut("The expression holds a template text that is not understood.")
            inner = _Parser(tokens(text[opening + 2 : closing]), self._depth)
            parts += [unescaped(text[at:opening]), inner.expression()]
            if inner.token.kind != "end":
                raise LeftOut("The expression holds a template text that is not understood.")
            at = closing + 1
        return TemplateText((*parts, unescaped(text[at:])))
