"""What the names of n8n's expressions stand for: `$json`, `$('Get user').item.json`, `$now`."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from apps.workflows.imports.errors import LeftOut
from apps.workflows.imports.javascript import cel
from apps.workflows.imports.javascript.cel import Cel
from apps.workflows.imports.javascript.methods import NOW
from apps.workflows.imports.javascript.syntax import Call, Expression, Index, Literal, Member, Name
from apps.workflows.imports.n8n.levels import Value, Way

if TYPE_CHECKING:
    from apps.workflows.imports.n8n.step import Step

_NONE = {
    "$binary",
    "$parameter",
    "$prevNode",
    "$secrets",
    "$fromAI",
    "$jmespath",
    "$response",
    "$request",
    "$pageCount",
    "$getWorkflowStaticData",
}
_ONE = ("item", "first", "last", "itemMatching", "pairedItem")


class N8nRoots:
    """The names as one node reads them."""

    def __init__(self, step: "Step") -> None:
        self._step = step

    def find(self, expression: Expression, emit: Callable[[Expression], Cel]) -> Cel | None:
        match expression:
            case Name("$json"):
                return self._item(self._step.value)
            case Name("$now"):
                self._step.remark("`$now` is the instant at which the execution was made, in UTC.")
                return NOW
            case Name("$today"):
                self._step.remark("`$today` is the day on which the execution was made, in UTC.")
                return Cel('timestamp(execution.created_at.substring(0, 10) + "T00:00:00Z")', "time")
            case Name("$itemIndex" | "$runIndex"):
                return Cel("index" if self._step.level else "0", "number")
            case Member(Name("$env" | "$vars" as root), name):
                self._step.remark(f"`{root}.{name}` is read as `env.{name}`: the operator sets it.")
                return cel.member(Cel("env"), name)
            case Member(Name("$execution"), "id"):
                return Cel("execution.id")
            case Member(Name("$workflow"), "id" | "name" as field):
                return Cel("execution.workflow_id") if field == "id" else cel.of_text(self._step.translation.workflow.name)
            case Member() | Call():
                return self._of_node(expression)
            case Name(name) if name in _NONE or name.startswith("$"):
                raise LeftOut(f"'{name}' in an expression has no counterpart.")
        return None

    def _of_node(self, expression: Member | Call) -> Cel | None:
        """`$input.item.json`, `$('A').first().json`, `$node["A"].json`, `$('A').all()`, `$items("A")`."""
        match expression:
            case Member(Member(of, name), "json") if name in _ONE and (source := self._source(of)) is not None:
                return self._item(source)
            case Member(Call(Member(of, name)), "json") if name in _ONE and (source := self._source(of)) is not None:
                return self._item(source)
            case Member(of, "json") if (source := self._source(of)) is not None:
                return self._item(source)
            case Call(Member(of, "all"), ()) if (source := self._source(of)) is not None:
                return Cel(f'({source.as_items}).map(one_, {{"json": one_}})', "list")
            case Call(Name("$items"), (Literal(str(name)),)):
                return Cel(f'({self._named(name).as_items}).map(one_, {{"json": one_}})', "list")
        if isinstance(expression, Member) and self._source(expression.of) is not None:
            raise LeftOut(f"'.{expression.name}' of a node has no counterpart in an expression.")
        return None

    def _source(self, expression: Expression) -> Value | None:
        """The node that an expression names, None where it names none."""
        match expression:
            case Name("$input"):
                return self._step.value
            case Call(Name("$"), (Literal(str(name)),)) | Index(Name("$node"), Literal(str(name))) | Member(Name("$node"), name):
                return self._named(name)
        return None

    def _named(self, name: str) -> Value:
        """The output of a node, as it can be read here. Raises LeftOut."""
        way = self._step.translation.find_way(name, self._step.node)
        value, level, levels = way.value, self._step.level, self._step.translation.levels
        if value.many and level is not None and (item := self._paired(way)) is not None:
            return item
        if value.level not in levels.chain(level):
            raise LeftOut(f"An expression reads '{name}', which has a value for each item of a loop that this node is not part of.")
        return value

    def _paired(self, way: Way) -> Value | None:
        """The item that this iteration is about, where its loop runs over what is asked for."""
        loop = self._step.translation.levels.find(self._step.level)
        return Value("item", loop.key) if loop is not None and loop.over == way else None

    def _item(self, value: Value) -> Cel:
        """One item. Raises LeftOut where there are several, or where an inner loop hides it."""
        if value.many:
            self._step.remark("Of several items the first is read.")
            return Cel(f"{value.text}[0]")
        if value.level != self._step.level and (value.text == "item" or value.text.startswith("item.")):
            raise LeftOut("An expression reads the item of an outer loop inside of an inner one.")
        return Cel(value.text, present=None)
