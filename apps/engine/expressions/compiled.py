"""One expression, compiled: what it reads, and how to evaluate it."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from cel_expr_python import cel

from apps.engine.expressions.effort import check_effort, may_grow
from apps.engine.expressions.emitter import Leaf, emit
from apps.engine.expressions.errors import ExpressionError
from apps.engine.expressions.names import Names, Scope
from apps.engine.expressions.parser import parse
from apps.engine.expressions.program import Missing, compile_program, run_program
from apps.engine.expressions.references import has_path, read_path, why_missing
from apps.engine.expressions.syntax import Expression, Path
from apps.engine.expressions.values import Weight, to_cel

_EXPRESSIONS = 16384
# So little that no expression of allowed length can make much of it.
_NEGLIGIBLE = 512
_MISSING = object()


@dataclass(frozen=True, slots=True)
class Compiled:
    """An expression that compiles.

    leaves         what is looked up before it is evaluated
    numbers        {variable: number} of the numbers in the text
    nodes          keys of the nodes that it reads
    tested_nodes   those of them whose output it asks for before it reads it, by `has` or `.?`
    program        None for a mere reference, which needs no CEL: its value is handed on as it is, however large
    may_grow       whether it can make much of little
    """

    text: str
    tree: Expression
    leaves: tuple[Leaf, ...]
    numbers: dict[str, float]
    nodes: frozenset[str]
    tested_nodes: frozenset[str]
    program: cel.Expression | None
    may_grow: bool

    def evaluate(self, scope: Scope) -> Any:
        """The JSON value of the expression. Raises ExpressionError."""
        try:
            return self._reference(scope) if self.program is None else self._computed(self.program, scope)
        except ExpressionError as error:
            raise error.placed(expression=self.text) from None

    def _reference(self, scope: Scope) -> Any:
        path = self.leaves[0].path
        value = read_path(path, scope, _MISSING)
        if value is _MISSING:
            raise why_missing(path, scope)
        return value

    def _computed(self, program: cel.Expression, scope: Scope) -> Any:
        values: dict[str, object] = dict(self.numbers)
        weights: dict[Leaf, Weight] = {}
        for number, leaf in enumerate(self.leaves):
            value = has_path(leaf.path, scope) if leaf.is_test else read_path(leaf.path, scope, _MISSING)
            if value is not _MISSING:
                values[f"v{number}"], weights[leaf] = to_cel(value)
        if self.may_grow or sum(weight.size for weight in weights.values()) > _NEGLIGIBLE:
            check_effort(self.tree, weights)
        result = run_program(program, values)
        if isinstance(result, Missing):
            raise why_missing(self.leaves[result.number].path, scope)
        return result


@lru_cache(maxsize=_EXPRESSIONS)
def compile_expression(text: str, names: Names) -> Compiled:
    """Compile the text between `${` and `}`. Raises ExpressionError."""
    tree = parse(text, names)
    try:
        emitted = emit(tree)
    except ExpressionError as error:
        raise error.placed(expression=text) from None
    return Compiled(
        text,
        tree,
        emitted.leaves,
        emitted.numbers,
        nodes=_keys(emitted.leaves),
        tested_nodes=_keys(leaf for leaf in emitted.leaves if leaf.is_test),
        program=None if isinstance(tree, Path) else compile_program(emitted, text),
        may_grow=may_grow(tree),
    )


def _keys(leaves: Iterable[Leaf]) -> frozenset[str]:
    return frozenset(str(leaf.path.steps[0]) for leaf in leaves if leaf.path.root == "nodes")


def check_expression(text: str, names: Names) -> list[ExpressionError]:
    """What is wrong with an expression; empty when it compiles."""
    try:
        compile_expression(text, names)
    except ExpressionError as error:
        return [error]
    return []


def evaluate(text: str, scope: Scope, names: Names | None = None) -> Any:
    """The JSON value of an expression; without `names`, variables and inputs are those that the scope holds."""
    if names is None:
        inputs = scope.input if isinstance(scope.input, dict) else {}
        names = Names(frozenset(inputs), frozenset(scope.variables))
    return compile_expression(text, names).evaluate(scope)
