"""What comes into a node: one value made of all that leads to it, in the loop where the node belongs."""

from collections import defaultdict
from typing import Any

from apps.workflows.imports.blueprint import Blueprint
from apps.workflows.imports.n8n.levels import Levels, Value, Way, exclude_each_other
from apps.workflows.imports.n8n.registry import Takes

MEETING = "Branches that both run meet here: n8n runs it once for each, and so does a loop here."
TOGETHER = "Several lines lead to one input: n8n runs it once for the items of each, here it runs once for all of them."
ORDER = "Each item goes all the way before the next one; n8n takes every item through one node before the next node."


class Meeting:
    """Brings ways together, and draws the joins and loops that this takes; `remarks` says what differs."""

    def __init__(self, blueprint: Blueprint, levels: Levels, name: str, position: Any) -> None:
        self._blueprint, self._levels = blueprint, levels
        self._name, self._position = name, position
        self.remarks: list[str] = []

    def met(self, ways: list[Way], takes: Takes) -> Way | None:
        """The one way that stands for all of an input, None where nothing comes."""
        ways = list(dict.fromkeys(ways))
        if not ways:
            return None
        if takes == "items":
            return self._together(self._out_of_loops(ways))
        ways = self._in_loop_already(ways)
        if len(ways) > 1:
            ways = [self._together(ways)]
        return self._one_by_one(ways[0]) if ways[0].value.many else ways[0]

    def level_with(self, ways: list[Way]) -> list[Way]:
        """Exits of several inputs, where all of them can be read."""
        common = self._levels.common([way.value.level for way in ways])
        return [self._levels.lifted([way], common, self._position)[0] for way in ways]

    def _one_by_one(self, way: Way) -> Way:
        key = self._levels.open(way, self._source_name(way), self._position)
        self.remarks.append(ORDER)
        return Way(None, "", Value("item", key), way.guards)

    def _source_name(self, way: Way) -> str:
        return self._blueprint.nodes[way.key].get("name") or way.key if way.key in self._blueprint.nodes else self._name

    def _in_loop_already(self, ways: list[Way]) -> list[Way]:
        """Exits with the item in place of its array, where the others come out of the loop over that array."""
        levels = {way.value.level for way in ways}
        loops = {way: self._levels.opened_over(way) for way in ways if way.value.many}
        return [
            Way(None, "", Value("item", loop), way.guards) if (loop := loops.get(way)) is not None and loop in levels else way
            for way in ways
        ]

    def _out_of_loops(self, ways: list[Way]) -> list[Way]:
        """The arrays of all items, behind the loops that only this translation made."""
        if len(ways) > 1:
            self.remarks.append(TOGETHER)
        by_level: dict[str | None, list[Way]] = defaultdict(list)
        for way in ways:
            by_level[self._outside(way.value.level)].append(way)
        return [lifted for level, inner in by_level.items() for lifted in self._levels.lifted(inner, level, self._position)]

    def _outside(self, level: str | None) -> str | None:
        while (loop := self._levels.find(level)) is not None and not loop.is_batch:
            level = loop.parent
        return level

    def _together(self, ways: list[Way]) -> Way:
        if len(ways) == 1:
            return ways[0]
        ways = self._levels.lifted(ways, self._levels.common([way.value.level for way in ways]), self._position)
        if len(ways) == 1:
            return ways[0]
        excluding = all(exclude_each_other(a, b) for index, a in enumerate(ways) for b in ways[:index])
        many = any(way.value.many for way in ways)
        if excluding and not many:
            return self._joined(ways, "first")
        if not excluding and TOGETHER not in self.remarks:
            self.remarks.append(MEETING)
        joined = self._joined(ways, "list", as_items=many)
        return (
            self._flat(joined) if many else Way(joined.key, "out", Value(joined.value.text, joined.value.level, many=True), joined.guards)
        )

    def _joined(self, ways: list[Way], mode: str, *, as_items: bool = False) -> Way:
        written = [self._levels.written(way, as_items=as_items, position=self._position) for way in ways]
        level = written[0].value.level
        key = self._blueprint.key(f"{self._name} input")
        self._blueprint.add(key, "control.merge", {"mode": mode}, parent=level, position=self._position)
        for way in written:
            self._blueprint.connect(way.key or "", way.port, key)
        guards = frozenset.intersection(*(way.guards for way in ways))
        return Way(key, "out", Value(f"nodes.{key}", level, may_be_list=any(way.value.may_be_list for way in ways)), guards)

    def _flat(self, joined: Way) -> Way:
        key = self._blueprint.key(f"{self._name} items")
        config = {"expression": "[$reduce(all, $append)]", "input": {"all": f"${{{joined.value.text}}}"}}
        self._blueprint.add(key, "data.transform", config, parent=joined.value.level, position=self._position)
        self._blueprint.connect(joined.key or "", "out", key)
        return Way(key, "out", Value(f"nodes.{key}", joined.value.level, many=True), joined.guards)
