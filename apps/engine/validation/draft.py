"""A definition under validation, with what the checks look up again and again."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

from pydantic import BaseModel

from apps.engine.definition import Definition, Edge, Node
from apps.engine.outcomes import ERROR

TRIGGER = "trigger"
PURE = "pure"
EXTERNAL = "external"


class PortsLike(Protocol):
    @property
    def outputs(self) -> tuple[str, ...]: ...

    @property
    def can_fail(self) -> bool: ...


class SlotLike(Protocol):
    @property
    def is_required(self) -> bool: ...


class NodeTypeLike(Protocol):
    """What validation asks of a node type; `apps.nodes.contract.NodeType` is one."""

    @property
    def name(self) -> str: ...

    @property
    def category(self) -> str: ...

    @property
    def Config(self) -> type[BaseModel]: ...  # noqa: N802  # the name in the contract

    @property
    def verbatim(self) -> frozenset[str]: ...

    @property
    def credentials(self) -> Mapping[str, SlotLike]: ...

    def ports(self, config: Mapping[str, Any], /) -> PortsLike: ...

    def check(self, config: Mapping[str, Any], /) -> Iterable[tuple[str, str]]: ...

    @property
    def is_loop(self) -> bool: ...

    @property
    def binds_item(self) -> bool: ...

    @property
    def asks_people(self) -> bool: ...

    def effect_of(self, config: Mapping[str, Any], /) -> str: ...

    def writes(self, config: Mapping[str, Any], /) -> Iterable[str]: ...


@dataclass(frozen=True, slots=True)
class Traits:
    """What the type of a node says of it, its config being sound."""

    ports: PortsLike
    is_pure: bool
    is_external: bool = False

    @property
    def port_names(self) -> tuple[str, ...]:
        return (*self.ports.outputs, ERROR) if self.ports.can_fail else self.ports.outputs


@dataclass
class Draft:
    """A parsed definition and the node types there are.

    traits   {index of the node: Traits} of the nodes of a known type and a sound config
    """

    definition: Definition
    catalog: Mapping[str, NodeTypeLike]
    traits: Mapping[int, Traits]

    def verbatim(self, node: Node) -> frozenset[str]:
        """Keys of the node's config whose texts hold no expressions."""
        return self.catalog[node.type].verbatim if node.type in self.catalog else frozenset()

    @property
    def nodes(self) -> Sequence[Node]:
        return self.definition.nodes

    @cached_property
    def places(self) -> dict[str, int]:
        """{node key: its index}, of the first node of that key."""
        places: dict[str, int] = {}
        for index, node in enumerate(self.nodes):
            places.setdefault(node.key, index)
        return places

    @cached_property
    def undone(self) -> dict[str, str]:
        """{key of an undo node: key of the node that it undoes}, of those that are there."""
        return {node.compensate: node.key for node in reversed(self.nodes) if node.compensate in self.places}

    @cached_property
    def incoming(self) -> dict[str, list[Edge]]:
        """{node key: the edges into it}, of the edges between nodes that are there."""
        incoming: dict[str, list[Edge]] = {key: [] for key in self.places}
        for edge in self._sound_edges:
            incoming[edge.target].append(edge)
        return incoming

    @cached_property
    def outgoing(self) -> dict[str, list[Edge]]:
        outgoing: dict[str, list[Edge]] = {key: [] for key in self.places}
        for edge in self._sound_edges:
            outgoing[edge.source].append(edge)
        return outgoing

    @cached_property
    def _sound_edges(self) -> list[Edge]:
        return [edge for edge in self.definition.edges if edge.source in self.places and edge.target in self.places]

    def find_traits(self, key: str) -> Traits | None:
        return self.traits.get(self.places[key])

    def is_trigger(self, key: str) -> bool:
        node_type = self.catalog.get(self.nodes[self.places[key]].type)
        return node_type is not None and node_type.category == TRIGGER

    def is_loop(self, key: str) -> bool:
        node_type = self.catalog.get(self.nodes[self.places[key]].type)
        return node_type is not None and node_type.is_loop

    def reads_item(self, node: Node) -> bool:
        """Whether the node's config may read `item` and `index`."""
        return node.parent is not None or (node.type in self.catalog and self.catalog[node.type].binds_item)

    @cached_property
    def bodies(self) -> dict[str, list[str]]:
        """{key of a loop: keys of the nodes in its body}, of the parents that are there."""
        bodies: dict[str, list[str]] = {}
        for node in self.nodes:
            if node.parent is not None:
                bodies.setdefault(node.parent, []).append(node.key)
        return bodies

    def catches_errors(self, key: str) -> bool:
        """Whether an edge leaves the node's `error` port."""
        return key in self._catching

    @cached_property
    def _catching(self) -> set[str]:
        return {edge.source for edge in self._sound_edges if edge.port == ERROR}
