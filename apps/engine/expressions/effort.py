"""A bound on the work of an expression, from its tree and the weight of what it reads.

CEL bounds the steps of a macro but not the text that each step makes, and cannot be interrupted. So what could run away is refused before
it runs.
"""

from collections.abc import Mapping

from apps.engine.expressions.emitter import Leaf
from apps.engine.expressions.errors import ExpressionError
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
    Unary,
)
from apps.engine.expressions.values import Weight

# Units of about 10 ns, or characters made: some 0.3 s, and some 32 MB.
MAX_EFFORT = 32_000_000


# The calls whose result may be much longer than what they are given.
_GROWING = frozenset({"replace", "join"})
# How many times longer than its argument a result may be.
_LONGER = {"strings.quote": 6, "bytes": 4, "base64.encode": 2}
# Compiling a pattern takes up to 20 ms.
_COMPILING = 2_000_000


def may_grow(tree: Expression) -> bool:
    """Whether a tree can make much of little: by repeating, by naming what it has made, by replacing."""
    if isinstance(tree, Macro) or (isinstance(tree, Call) and tree.name in _GROWING):
        return True
    return any(may_grow(part) for part in _parts(tree))


def check_effort(tree: Expression, weights: Mapping[Leaf, Weight]) -> None:
    """Raise ExpressionError when evaluating might take more than some 0.3 s or 32 MB.

    weights   of the leaves that are there
    """
    effort = _Effort(weights)
    effort.of(tree, {}, 1)
    if effort.spent > MAX_EFFORT:
        raise ExpressionError("This expression may take too long on values this large; reshape large data with data.transform.")


class _Effort:
    def __init__(self, weights: Mapping[Leaf, Weight]) -> None:
        self.spent = 0
        self._weights = weights

    def of(self, tree: Expression, names: Mapping[str, Weight], times: int) -> Weight:
        """Bound the weight of a result, and add the work of making it `times` times."""
        match tree:
            case Literal(value=value):
                return Weight(len(value) + 1, len(value)) if isinstance(value, str | bytes) else Weight()
            case Path():
                return self._weights.get(Leaf(tree), Weight())
            case Local():
                return names[tree.name]
            case Macro():
                return self._macro(tree, names, times)
        weights = [self.of(part, names, times) for part in _parts(tree)]
        result = _result_of_call(tree.name, weights) if isinstance(tree, Call) else _combined(tree, weights)
        self.spent += times * (_base(tree) + result.size + sum(weight.size for weight in weights))
        return result

    def _macro(self, tree: Macro, names: Mapping[str, Weight], times: int) -> Weight:
        source = self.of(tree.source, names, times)
        if tree.name == "cel.bind":
            return self.of(tree.bodies[0], {**names, tree.variable: source}, times)
        inside = {**names, tree.variable: Weight(source.largest, source.largest, source.largest)}
        bodies = [self.of(body, inside, times * max(source.items, 1)) for body in tree.bodies]
        # CEL makes the list of a map or filter anew for each item.
        self.spent += times * source.items**2
        if tree.name == "map":
            return Weight(1 + source.items * bodies[-1].size, source.items, bodies[-1].size)
        return source if tree.name == "filter" else Weight()


def _parts(tree: Expression) -> tuple[Expression, ...]:
    match tree:
        case Select() | Unary() | Has(operand=Select()):
            return (tree.operand,)
        case Index():
            return (tree.operand, tree.key)
        case Binary():
            return (tree.left, tree.right)
        case Chain():
            return tree.operands
        case Conditional():
            return (tree.test, tree.yes, tree.no)
        case ListOf():
            return tree.items
        case MapOf():
            return (*tree.keys, *tree.values)
        case Call():
            return tree.arguments if tree.receiver is None else (tree.receiver, *tree.arguments)
    return ()


def _combined(tree: Expression, weights: list[Weight]) -> Weight:
    sizes = [weight.size for weight in weights]
    match tree:
        case Select() | Index():
            return Weight(weights[0].largest, weights[0].largest, weights[0].largest)
        case Binary(sign="+"):
            return Weight(sum(sizes), sum(weight.items for weight in weights), max(weight.largest for weight in weights))
        case Conditional():
            return Weight(max(sizes[1:]), max(weight.items for weight in weights[1:]), max(weight.largest for weight in weights[1:]))
        case ListOf() | MapOf():
            return Weight(1 + sum(sizes), len(sizes), max(sizes, default=1))
    return Weight()


def _result_of_call(name: str, weights: list[Weight]) -> Weight:
    match name, weights:
        case "replace", [text, _, new, *_]:
            return _text_of((text.items + 1) * (new.size + 1))
        case "join", [items, *separator]:
            return _text_of(items.size + items.items * sum(weight.size for weight in separator))
        case "split", [text, *_]:
            return Weight(2 * text.size, text.items + 1, text.size)
        case "dyn", [value]:
            return value
    return _text_of(_LONGER.get(name, 1) * sum(weight.size for weight in weights) + 32)


def _text_of(size: int) -> Weight:
    return Weight(size, size)


def _base(tree: Expression) -> int:
    """What an operation costs, however small its operands; a pattern that is written out is compiled once for all."""
    is_unknown_pattern = (
        isinstance(tree, Call) and tree.name == "matches" and not all(isinstance(each, Literal) for each in tree.arguments[-1:])
    )
    return _COMPILING if is_unknown_pattern else 1
