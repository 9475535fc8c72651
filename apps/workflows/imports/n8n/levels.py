"""Values on their way through the graph: where they can be read, and how they come into loops and out of them."""

from dataclasses import dataclass
from typing import Any

from apps.workflows.imports.blueprint import Blueprint, beside
from apps.workflows.imports.errors import LeftOut

Guards = frozenset[tuple[str, int]]


@dataclass(frozen=True, slots=True)
class Value:
    """What flows: in n8n items, here the JSON of one item, or an array of them.

    text    CEL that reads it
    level   key of the loop in whose body it can be read, None outside of all
    many    whether it is an array of items
    may_be_list   whether it may turn out to be an array, each element of which n8n takes for an item
    """

    text: str
    level: str | None = None
    many: bool = False
    may_be_list: bool = False

    @property
    def as_items(self) -> str:
        """The items as an array."""
        if self.many:
            return self.text
        return f"type({self.text}) == list ? {self.text} : [{self.text}]" if self.may_be_list else f"[{self.text}]"


@dataclass(frozen=True, slots=True)
class Way:
    """An output of a node.

    key      of the node that an edge leaves from; None at the beginning of a loop's body, where no edge leads
    guards   {(decision, output)}: decisions that must have gone this way for anything to come here
    """

    key: str | None
    port: str
    value: Value
    guards: Guards = frozenset()

    @property
    def is_output(self) -> bool:
        """Whether the value is the output of the node itself, and reached by its usual port."""
        return self.key is not None and self.value.text == f"nodes.{self.key}" and self.port in ("out", "error")


@dataclass
class Level:
    """A loop: `over` is what it runs over, `is_batch` whether n8n has a loop there, too; `ends` are nodes whose outputs leave it."""

    key: str
    parent: str | None
    over: Way
    is_batch: bool


def exclude_each_other(left: Way, right: Way) -> bool:
    """Whether only one of them can come, since a decision leads to one or the other."""
    taken = dict(left.guards)
    return any(decision in taken and taken[decision] != output for decision, output in right.guards)


class Levels:
    """The loops of a translation, and the helpers that carry values between them."""

    def __init__(self, blueprint: Blueprint) -> None:
        self._blueprint = blueprint
        self._levels: dict[str, Level] = {}
        self._opened: dict[tuple[str | None, str, Value], str] = {}
        self._gathers: list[tuple[str, str, list[tuple[str, bool]]]] = []

    def chain(self, level: str | None) -> list[str | None]:
        """A level and those around it, the outermost, None, last."""
        found: list[str | None] = []
        while level is not None:
            found.append(level)
            level = self._levels[level].parent
        return [*found, None]

    def find(self, level: str | None) -> Level | None:
        return self._levels.get(level) if level is not None else None

    def common(self, levels: list[str | None]) -> str | None:
        """The innermost level around all of these."""
        chains = [self.chain(level) for level in levels]
        return next(level for level in chains[0] if all(level in chain for chain in chains[1:]))

    def opened_over(self, way: Way) -> str | None:
        """Key of the loop that runs over this already."""
        return self._opened.get((way.key, way.port, way.value))

    def open(self, way: Way, name: str, position: Any) -> str:
        """The loop over an array of items; the same one for all that follow it."""
        if (key := self.opened_over(way)) is None:
            config = {"items": f"${{{way.value.as_items}}}"}
            key = self.enter(way, self._blueprint.key(f"each {name}"), config, is_batch=False, name=f"Each of {name}", position=position)
            self._opened[way.key, way.port, way.value] = key
        return key

    def enter(self, way: Way, key: str, config: dict[str, Any], *, is_batch: bool, **fields: Any) -> str:
        """A new loop over a value."""
        if len(self.chain(way.value.level)) > 5:
            raise LeftOut("Loops lie at most five deep.")
        self._blueprint.add(key, "loop.foreach", config, parent=way.value.level, **fields)
        self._levels[key] = Level(key, way.value.level, way, is_batch)
        if way.key is not None:
            self._blueprint.connect(way.key, way.port, key)
        return key

    def written(self, way: Way, *, as_items: bool = False, position: Any = None) -> Way:
        """The same value as the output of a node, so that a join can read it."""
        if way.is_output and (way.value.many or not as_items):
            return way
        text = way.value.as_items if as_items else way.value.text
        key = self._blueprint.key(f"{way.key or 'item'} value")
        config = {"expression": "$", "input": f"${{{text}}}"}
        self._blueprint.add(key, "data.transform", config, parent=way.value.level, position=beside(position))
        if way.key is not None:
            self._blueprint.connect(way.key, way.port, key)
        return Way(key, "out", Value(f"nodes.{key}", way.value.level, as_items or way.value.many), way.guards)

    def lifted(self, ways: list[Way], to: str | None, position: Any = None) -> list[Way]:
        """What leaves loops, as arrays outside of them; ways of the same loop become one."""
        inner = [way for way in ways if way.value.level != to]
        outer = [way for way in ways if way.value.level == to]
        while inner:
            deepest = max((way.value.level for way in inner), key=lambda level: len(self.chain(level)))
            leaving = [way for way in inner if way.value.level == deepest]
            inner = [way for way in inner if way.value.level != deepest]
            gathered = self.gathered(deepest, leaving, position)
            (outer if gathered.value.level == to else inner).append(gathered)
        return outer

    def gathered(self, level: str | None, ways: list[Way], position: Any = None) -> Way:
        """The values that leave a loop here, of all its iterations, as an array outside. Which of its last nodes they are is said later."""
        loop = self.find(level)
        if loop is None:
            raise LeftOut("There is no loop to leave.")
        ends = []
        for way in ways:
            key = self._blueprint.key(f"{way.key or 'item'} of {loop.key}")
            config = {"expression": "$", "input": f"${{{way.value.text}}}"}
            self._blueprint.add(key, "data.transform", config, parent=loop.key, position=beside(position))
            if way.key is not None:
                self._blueprint.connect(way.key, way.port, key)
            ends.append((key, way.value.many))
        key = self._blueprint.key(f"{loop.key} items")
        self._blueprint.add(key, "data.transform", {}, parent=loop.parent, position=beside(position, 2))
        self._blueprint.connect(loop.key, "out", key)
        self._gathers.append((key, loop.key, ends))
        return Way(key, "out", Value(f"nodes.{key}", loop.parent, many=True), loop.over.guards)

    def finish(self) -> None:
        """Take away loops without a body, and helpers that nobody needs; write what the gathering nodes read."""
        nodes = self._blueprint.nodes
        for key in sorted(self._levels, key=lambda level: -len(self.chain(level))):
            if key in nodes and not any(node.get("parent") == key for node in nodes.values()):
                if any(edge["source"] == key for edge in self._blueprint.edges):
                    self._blueprint.add(
                        self._blueprint.key(f"{key} item"), "data.transform", {"expression": "$", "input": "${item}"}, parent=key
                    )
                else:
                    self._blueprint.drop(key)
        for key, loop, ends in self._gathers:
            if key in nodes:
                lasts = [(self._without_helper(end), many) for end, many in ends]
                nodes[key]["config"] = {"expression": self._gathering(loop, lasts), "input": {"all": f"${{nodes.{loop}}}"}}

    def _without_helper(self, end: str) -> str:
        """The node before a helper that only repeats its output, where nothing else follows that node: the helper goes."""
        before = [edge["source"] for edge in self._blueprint.edges if edge["target"] == end and edge["port"] == "out"]
        wanted = self._blueprint.nodes[end]["config"]["input"]
        if len(before) != 1 or wanted != f"${{nodes.{before[0]}}}":
            return end
        if sum(edge["source"] == before[0] for edge in self._blueprint.edges) > 1:
            return end
        self._blueprint.drop(end)
        return before[0]

    def _gathering(self, loop: str, ends: list[tuple[str, bool]]) -> str:
        """JSONata over the outputs of all iterations: those of the last node, or objects of several; null where it was skipped."""
        inside = [key for key, node in self._blueprint.nodes.items() if node.get("parent") == loop]
        sources = {edge["source"] for edge in self._blueprint.edges}
        lasts = [key for key in inside if key not in sources]
        if len(lasts) == 1:
            present = "$filter(all, function($each) { $each != null })"
            return f"[$reduce({present}, $append)]" if ends[0][1] else f"[{present}]"
        parts = ", ".join(f"$each.`{key}`" for key, _ in ends)
        return f"[$reduce($map(all, function($each) {{ [$filter([{parts}], function($one) {{ $one != null }})] }}), $append)]"
