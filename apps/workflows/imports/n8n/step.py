"""What a mapping has in hand while it draws the nodes that stand for one of n8n's."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from apps.nodes.registry import find_type
from apps.workflows.imports.blueprint import literal, literal_value
from apps.workflows.imports.errors import LeftOut
from apps.workflows.imports.javascript import texts
from apps.workflows.imports.javascript.cel import Cel, of_number, of_text
from apps.workflows.imports.n8n.document import N8nNode
from apps.workflows.imports.n8n.flow import Stop
from apps.workflows.imports.n8n.levels import Value, Way
from apps.workflows.imports.n8n.registry import find_mapping
from apps.workflows.imports.n8n.roots import N8nRoots

LIST_READERS = ("n8n-nodes-base.splitOut", "n8n-nodes-base.itemLists")

if TYPE_CHECKING:
    from apps.workflows.imports.n8n.translation import Translation


def reads_a_field(node: N8nNode) -> bool:
    """Whether it takes the list out of a field, so that the answer is surely an object."""
    return node.type in LIST_READERS


@dataclass
class Step:
    """One node of n8n on its way.

    inputs   what comes into each of its inputs, None where nothing does
    level    key of the loop in whose body it is drawn
    ways    {number of its output: Way}, filled by the mapping
    main     key of the node that does the work: retries, notes and the error port are its
    tail     (key, port) that the next node is connected to
    """

    translation: "Translation"
    node: N8nNode
    inputs: dict[int, Way | None]
    level: str | None
    ways: dict[int, Way] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    main: str | None = None
    tail: list[tuple[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.tail = [(way.key, way.port) for way in self.inputs.values() if way is not None and way.key is not None]
        self.roots = N8nRoots(self)

    @property
    def is_followed_by_items(self) -> bool:
        """Whether what follows runs once for each item, and reads it as a whole."""
        flow = self.translation.flow
        following = [flow.node(arrow.target) for arrow in flow.out_of[Stop(self.node.name)]]
        return any((mapping := find_mapping(node.type)) is None or mapping.takes == "item" for node in following if not reads_a_field(node))

    @property
    def parameters(self) -> dict[str, Any]:
        return self.node.parameters

    @property
    def options(self) -> Mapping[str, Any]:
        return self.object("options")

    @property
    def value(self) -> Value:
        """What comes in. Raises LeftOut at a node that nothing comes into."""
        first = next((way for way in self.inputs.values() if way is not None), None)
        if first is None:
            raise LeftOut("It reads its input, and nothing leads to it.")
        return first.value

    def object(self, name: str) -> Mapping[str, Any]:
        """A parameter that is an object, {} where it is missing."""
        found = self.parameters.get(name)
        return found if isinstance(found, Mapping) else {}

    def plain(self, name: str, default: str = "") -> str:
        """A parameter that chooses something. Raises LeftOut for an expression."""
        found = self.parameters.get(name, default)
        if not isinstance(found, str) or found.startswith("="):
            raise LeftOut(f"The parameter '{name}' is an expression where a fixed choice is needed.")
        return found

    def translated(self, value: Any) -> Any:
        """A parameter as a value of a config: texts that begin with "=" are templates, all others stay as they are. Raises LeftOut."""
        if isinstance(value, str):
            return texts.translated(value[1:], self.roots) if value.startswith("=") else literal(value)
        if isinstance(value, Mapping):
            return {name: self.translated(each) for name, each in value.items()}
        return [self.translated(each) for each in value] if isinstance(value, list) else value

    def cel(self, value: Any) -> Cel:
        """A parameter as a piece of CEL. Raises LeftOut."""
        if isinstance(value, str):
            return texts.as_cel(value[1:], self.roots) if value.startswith("=") else of_text(value)
        if isinstance(value, bool) or value is None:
            return Cel("null", "null") if value is None else Cel(str(value).lower(), "bool")
        if isinstance(value, int | float):
            return of_number(float(value))
        raise LeftOut("A list or an object stands where a single value is expected.")

    def json(self, value: Any) -> Any:
        """A parameter that holds JSON as text, or as a value. Raises LeftOut."""
        if not isinstance(value, str):
            return literal_value(value)
        template = value[1:] if value.startswith("=") else value
        if value.startswith("=") and (stripped := template.strip()).startswith("{{") and stripped.endswith("}}"):
            parts = [part for part in texts.split(stripped) if part != ""]
            if len(parts) == 1:
                return texts.bare_text(parts[0], self.roots)
        return texts.json_value(template if value.startswith("=") else template.replace("{{", "{ {"), self.roots)

    def remark(self, text: str) -> None:
        """Say what is not the same. A node with a remark is approximated."""
        if text not in self.remarks:
            self.remarks.append(text)

    def add(self, type: str, config: Mapping[str, Any], *, name: str | None = None, **fields: Any) -> str:
        """Draw the next node, behind what was drawn before. Raises LeftOut where no such node is installed."""
        if find_type(type) is None:
            raise LeftOut(f"No node type '{type}' is installed.")
        blueprint, is_first = self.translation.blueprint, self.main is None
        key = blueprint.key(self.node.name if name is None else f"{self.node.name} {name}")
        title = self.node.name if name is None else f"{self.node.name}: {name}"
        blueprint.add(
            key, type, config, name=title[:128], parent=self.level, position=self.translation.place(self.node, len(self.keys)), **fields
        )
        for source, port in self.tail:
            blueprint.connect(source, port, key)
        self.keys.append(key)
        self.tail = [(key, "out")]
        if is_first:
            self.main = key
        return key

    def leave(
        self, key: str, *, output: int = 0, port: str = "out", text: str | None = None, many: bool = False, may_be_list: bool = False
    ) -> None:
        """Say what comes out of an output: without `text`, the output of the node."""
        value = Value(text or f"nodes.{key}", self.level, many, may_be_list)
        self.ways[output] = Way(key, port, value, self.guards)

    def hand_on(self, key: str, *, output: int = 0, port: str = "out", decides: bool = False) -> None:
        """Say that what came in goes out, by a port."""
        guards = self.guards | {(self.node.name, output)} if decides else self.guards
        self.ways[output] = Way(key, port, self.value, guards)

    @property
    def guards(self) -> frozenset[tuple[str, int]]:
        found = [way.guards for way in self.inputs.values() if way is not None]
        return frozenset.intersection(*found) if found else frozenset()
