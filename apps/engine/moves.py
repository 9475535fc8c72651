"""Whether an execution that waits can go on in another version, and what that changes. Pure, as the planner is."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from apps.engine.errors import InvalidError
from apps.engine.graph import Graph, GraphNode
from apps.engine.planner import Arrivals, Frontier, Settled, frontier
from apps.engine.reruns import Compiled, UnknownNodeError
from apps.engine.statuses import NodeRunStatus


class AmbiguousMappingError(InvalidError):
    """Two nodes of the old version would become one; details: {"node": str}."""

    code = "ambiguous_mapping"


@dataclass(frozen=True, slots=True)
class MoveProblem:
    """Why an execution cannot move.

    code   removed, type_changed, gate_changed, new_before_begun, not_reached; input_does_not_fit, busy, in_a_loop of whoever asks
    node   key in the old version, where it has one there; "" where it is about none
    """

    code: str
    node: str
    message: str


@dataclass(frozen=True, slots=True)
class Move:
    """What changes.

    keys       {old key: new key} of the node runs whose nodes are in the new version
    frontier   what begins at once: nodes that the new version has behind what has ended
    gates      {join: arrivals} as the new version counts them, of all joins that edges have reached
    """

    keys: Mapping[str, str]
    frontier: Frontier
    gates: Mapping[str, Arrivals]


def check_mapping(old: Compiled, new: Compiled, mapping: Mapping[str, str]) -> None:
    """Raise UnknownNodeError or AmbiguousMappingError where {old key: new key} cannot be."""
    if unknown := [key for key in mapping if key not in old.nodes] + [key for key in mapping.values() if key not in new.nodes]:
        raise UnknownNodeError(f"The mapping names {', '.join(unknown)}, which the version lacks.", nodes=unknown)
    targets = [mapping.get(key, key) for key in old.nodes]
    if twice := next((key for key in targets if key in new.nodes and targets.count(key) > 1), None):
        raise AmbiguousMappingError(f"Two nodes would become '{twice}'.", node=twice)


def plan_move(
    old: Compiled, new: Compiled, runs: Mapping[str, Settled | None], *, gates: frozenset[str], mapping: Mapping[str, str]
) -> Move | tuple[MoveProblem, ...]:
    """Say what a move changes, or all that is in its way.

    runs    {old key: how its run ended, None while it is open}
    gates   old keys of joins that edges have reached
    """
    keys = {key: target for key in runs if (target := mapping.get(key, key)) in new.graph.nodes}
    ends = {target: runs[key] for key, target in keys.items()}
    arrivals = _arrivals(new.graph, ends)
    problems = (
        *_of_runs(old, new, runs, keys),
        *_of_gates(old.graph, new.graph, gates - runs.keys(), mapping),
        *_of_begun(old.graph, new.graph, ends, arrivals, {target: key for key, target in keys.items()}, mapping),
    )
    if problems:
        return problems
    found = frontier(new.graph, ends)
    counted = _arrivals(new.graph, ends | dict.fromkeys(found.skipped, Settled(NodeRunStatus.SKIPPED, None)))
    return Move(keys, found, {key: arrived for key, arrived in counted.items() if new.graph.nodes[key].is_join})


def _arrivals(graph: Graph, ends: Mapping[str, Settled | None]) -> dict[str, Arrivals]:
    arrivals: dict[str, Arrivals] = {}
    for key, node in graph.nodes.items():
        if (end := ends.get(key)) is not None:
            for port, target in node.out:
                arrivals[target] = arrivals.get(target, Arrivals()).plus(is_live=port == end.port)
    return arrivals


def _of_runs(old: Compiled, new: Compiled, runs: Mapping[str, Settled | None], keys: Mapping[str, str]) -> Iterator[MoveProblem]:
    for key, end in runs.items():
        if key not in keys:
            # Nothing of the new version reads what it does not have, so that what has ended there may go.
            if end is None:
                yield MoveProblem("removed", key, f"'{key}' waits, and the new version has no such node.")
        elif key in old.nodes and (was := old.nodes[key].type) != (now := new.nodes[keys[key]].type):
            yield MoveProblem("type_changed", key, f"'{key}' has begun as {was}; in the new version it is {now}.")


def _of_gates(old: Graph, new: Graph, gates: frozenset[str], mapping: Mapping[str, str]) -> Iterator[MoveProblem]:
    for key in sorted(gates):
        before, after = old.nodes[key], new.nodes.get(mapping.get(key, key))
        if after is not None and (before.expected, before.needed, before.always) != (after.expected, after.needed, after.always):
            message = (
                f"Edges have reached '{key}', which joins {before.expected}; in the new version it joins {after.expected} or otherwise."
            )
            yield MoveProblem("gate_changed", key, message)


def _of_begun(
    old: Graph,
    new: Graph,
    ends: Mapping[str, Settled | None],
    arrivals: Mapping[str, Arrivals],
    old_keys: Mapping[str, str],
    mapping: Mapping[str, str],
) -> Iterator[MoveProblem]:
    for target, end in ends.items():
        node, key = new.nodes[target], old_keys[target]
        if end is not None and end.status is NodeRunStatus.SKIPPED:
            continue
        before = {mapping.get(one, one) for one in old.nodes[key].predecessors}
        if added := [one for one in node.predecessors if one not in ends and one not in before]:
            yield MoveProblem("new_before_begun", key, f"'{key}' has begun; in the new version '{added[0]}' comes before it.")
        elif not _is_reached(node, arrivals.get(target, Arrivals())):
            yield MoveProblem("not_reached", key, f"'{key}' has begun; in the new version nothing that has ended leads to it.")


def _is_reached(node: GraphNode, arrived: Arrivals) -> bool:
    if node.expected == 0 or arrived.live >= node.needed:
        return True
    return arrived.settled == node.expected and node.starts(live=arrived.live)
