"""Is it a graph that can run: keys once, edges between nodes and ports that are there, no cycle, nothing out of reach?"""

from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter

from apps.engine.definition import Edge
from apps.engine.pointers import pointer_to
from apps.engine.problems import Problem, listed, nearest
from apps.engine.validation.draft import Draft

_SHOWN_IN_CYCLE = 20


def check_structure(draft: Draft) -> Iterator[Problem]:
    """Faults of nodes and edges, but for cycles, which `order_of` finds."""
    if not draft.nodes:
        yield Problem("/nodes", "A workflow has at least one node, found none.", found="[]", expected="one or more nodes")
    yield from _repeated_keys(draft)
    yield from _repeated_edges(draft)
    for index, edge in enumerate(draft.definition.edges):
        yield from _dangling_ends(draft, index, edge)
        yield from _unknown_port(draft, index, edge)
        yield from _edge_into_trigger(draft, index, edge)
    yield from _unreachable(draft)


def order_of(draft: Draft) -> list[str] | Problem:
    """The keys with every predecessor first, or the cycle that leaves no such order.

    Source: Kahn 1962, by graphlib.
    """
    sorter = TopologicalSorter({key: [edge.source for edge in edges] for key, edges in draft.incoming.items()})
    for loop, body in draft.bodies.items():
        for key in body:
            sorter.add(key, loop)
    try:
        return list(sorter.static_order())
    except CycleError as error:
        return _cycle(draft, error.args[1])


def _cycle(draft: Draft, keys: list[str]) -> Problem:
    ends = {(edge.source, edge.target): index for index, edge in enumerate(draft.definition.edges)}
    shown = " -> ".join(keys if len(keys) <= _SHOWN_IN_CYCLE else [*keys[: _SHOWN_IN_CYCLE - 1], "…", keys[-1]])
    last_edge = ends[keys[-2], keys[-1]]
    return Problem(
        pointer_to("edges", last_edge), f"The edges go round in a circle: {shown}.", found=shown, expected="edges without a cycle"
    )


def _repeated_keys(draft: Draft) -> Iterator[Problem]:
    for index, node in enumerate(draft.nodes):
        if (first := draft.places[node.key]) != index:
            message = f"The key '{node.key}' is that of node {first} already."
            yield Problem(pointer_to("nodes", index, "key"), message, found=node.key, expected="a key of its own")


def _repeated_edges(draft: Draft) -> Iterator[Problem]:
    first: dict[Edge, int] = {}
    for index, edge in enumerate(draft.definition.edges):
        if first.setdefault(edge, index) != index:
            found = f"{edge.source}.{edge.port} -> {edge.target}"
            yield Problem(pointer_to("edges", index), f"Edge {first[edge]} is the same: {found}.", found=found, expected="each edge once")


def _dangling_ends(draft: Draft, index: int, edge: Edge) -> Iterator[Problem]:
    for end, key in (("source", edge.source), ("target", edge.target)):
        if key not in draft.places:
            yield Problem(
                pointer_to("edges", index, end),
                f"There is no node '{key}'.",
                found=key,
                expected="the key of a node",
                suggestion=nearest(key, draft.places),
            )


def _unknown_port(draft: Draft, index: int, edge: Edge) -> Iterator[Problem]:
    traits = draft.find_traits(edge.source) if edge.source in draft.places else None
    if traits is None or edge.port in traits.port_names:
        return
    ports = traits.port_names
    there = f"it has {listed(ports)}" if ports else "it has none"
    yield Problem(
        pointer_to("edges", index, "port"),
        f"Node '{edge.source}' has no port '{edge.port}': {there}.",
        found=edge.port,
        expected=f"one of {listed(ports)}" if ports else "no edge",
        suggestion=nearest(edge.port, ports),
    )


def _edge_into_trigger(draft: Draft, index: int, edge: Edge) -> Iterator[Problem]:
    if edge.target in draft.places and draft.is_trigger(edge.target):
        message = f"Node '{edge.target}' is a trigger: an execution begins there, so no edge leads to it."
        yield Problem(pointer_to("edges", index, "target"), message, found=edge.target, expected="a node that is no trigger")


def _unreachable(draft: Draft) -> Iterator[Problem]:
    """Nodes that no path from a trigger leads to. Without triggers, an execution begins at every node without in-edges.

    A loop leads to the nodes of its body that have no in-edges.
    """
    reached = [key for key in draft.places if draft.is_trigger(key)]
    if not reached:
        return
    seen = set(reached)
    for key in reached:
        begun = [each for each in draft.bodies.get(key, ()) if not draft.incoming[each]]
        new = [each for each in [*(edge.target for edge in draft.outgoing[key]), *begun] if each not in seen]
        seen.update(new)
        reached.extend(dict.fromkeys(new))
    for key, index in draft.places.items():
        if key not in seen and key not in draft.undone:
            message = f"Node '{key}' is out of reach: no path leads to it from a trigger."
            yield Problem(pointer_to("nodes", index), message, found=key, expected="a path from a trigger to every node")
