"""What a re-run takes over from an execution that has ended, and where it goes on. Pure, as the planner is."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from apps.engine.definition import Definition, Node
from apps.engine.errors import ConflictError, InvalidError
from apps.engine.graph import OUTPUT_KEY, Graph
from apps.engine.outcomes import OUT
from apps.engine.planner import Frontier, Settled, frontier
from apps.engine.statuses import NodeRunStatus

MAX_NAMED = 20  # nodes in a message


class UnknownNodeError(InvalidError):
    """A node is named that the version does not have; details: {"nodes": [key]}."""

    code = "unknown_node"


class EditedNodeRunsAgainError(InvalidError):
    """An output is given for a node that will make one itself; details: {"nodes": [key]}."""

    code = "edited_node_runs_again"


class UpstreamDiffersError(ConflictError):
    """The other version has other nodes upstream; details: {"nodes": [{"key", "reason"}]}."""

    code = "upstream_differs"


class NotReachedError(ConflictError):
    """What leads to a chosen node has not ended, or ended another way; details: {"nodes": [{"key", "waits_for"}]}."""

    code = "node_not_reached"


class NothingToRerunError(ConflictError):
    code = "nothing_to_rerun"


# What of a node decides about its output and port; the rest is for readers, or for how it is run.
_MEANING = ("type", "config", "join", "disabled", "on_error")


@dataclass(frozen=True)
class Compiled:
    """A version: as it is written, and as it runs."""

    definition: Definition
    graph: Graph

    def difference(self, other: "Compiled", key: str) -> str | None:
        """Why what this version made of a node cannot stand for what `other` would make of it; None: it can."""
        if key == OUTPUT_KEY:
            return None if self.definition.output == other.definition.output else "output"
        mine, its = self.nodes.get(key), other.nodes.get(key)
        if mine is None or its is None:
            return "new" if mine is None else "removed"
        if self._incoming[key] != other._incoming[key]:
            return "edges"
        return next((name for name in _MEANING if getattr(mine, name) != getattr(its, name)), None)

    @cached_property
    def nodes(self) -> Mapping[str, Node]:
        return {node.key: node for node in self.definition.nodes}

    @cached_property
    def _incoming(self) -> Mapping[str, set[tuple[str, str]]]:
        edges: dict[str, set[tuple[str, str]]] = {key: set() for key in self.nodes}
        for edge in self.definition.edges:
            edges[edge.target].add((edge.source, edge.port))
        return edges


@dataclass(frozen=True, slots=True)
class RerunPlan:
    """What a re-run takes over, and what it runs.

    reused    {key: how it ended} of the nodes whose runs are taken over, or whose output was given
    frontier  where it goes on
    runs      keys that may run, in topological order: all that are neither reused nor on a dead path by now
    """

    reused: Mapping[str, Settled]
    frontier: Frontier
    runs: tuple[str, ...]


def plan_rerun(
    old: Compiled, new: Compiled, ends: Mapping[str, Settled], *, chosen: frozenset[str] | None, edited: frozenset[str] = frozenset()
) -> RerunPlan:
    """Say what running again from `chosen` means: these nodes and all after them run, the rest is reused as far as it has ended well.

    ends     {key: how its run in the ended execution ended}
    chosen   keys to run again; None: from where it failed or was stopped
    edited   keys whose output is given, in place of the one that they had
    Raises UnknownNodeError, EditedNodeRunsAgainError, UpstreamDiffersError, NotReachedError, NothingToRerunError.
    """
    start = stopped(ends) - edited if chosen is None else chosen
    _check_known(new, start | edited)
    again = _with_descendants(new.graph, start)
    if both := again & edited:
        raise EditedNodeRunsAgainError(
            f"The output of {_named(both)} is given, but it runs again and makes one itself.", nodes=sorted(both)
        )
    if old is not new:
        again = _with_other_changes(old, new, ends, start, again, edited)
    reused = {key: end for key, end in ends.items() if key in new.graph.nodes and key not in again | edited and _may_be_reused(end)}
    reused |= {key: Settled(NodeRunStatus.SUCCESS, _port_of(ends.get(key))) for key in edited}
    found = frontier(new.graph, reused)
    if chosen is not None and (blocked := [key for key in new.graph.nodes if key in chosen and key not in found.ready]):
        _refuse_blocked(new.graph, blocked, start, reused)
    if not found.ready:
        raise NothingToRerunError("Nothing is left to run: no node failed or was stopped. Name the node to run again from.")
    runs = tuple(key for key in new.graph.nodes if key not in reused and key not in found.skipped)
    return RerunPlan(reused, found, runs)


def stopped(ends: Mapping[str, Settled]) -> frozenset[str]:
    """Keys of the nodes that failed for good, or were cancelled; a failure that the workflow has handled is none."""
    return frozenset(key for key, end in ends.items() if not _may_be_reused(end))


def _may_be_reused(end: Settled) -> bool:
    if end.status is NodeRunStatus.FAILED:
        return end.port is not None
    return end.status in (NodeRunStatus.SUCCESS, NodeRunStatus.SKIPPED)


def _port_of(end: Settled | None) -> str:
    return end.port if end is not None and end.status is NodeRunStatus.SUCCESS and end.port is not None else OUT


def _check_known(new: Compiled, keys: Iterable[str]) -> None:
    if unknown := sorted(key for key in keys if key not in new.graph.nodes):
        raise UnknownNodeError(f"The version has no node {_named(unknown)}.", nodes=unknown)


def _with_descendants(graph: Graph, keys: Iterable[str]) -> frozenset[str]:
    found = set(keys)
    for key, node in graph.nodes.items():  # in topological order, so one pass finds all
        if key in found:
            found.update(target for _, target in node.out)
    return frozenset(found)


def _with_ancestors(graph: Graph, keys: Iterable[str]) -> frozenset[str]:
    found = set(keys)
    for key, node in reversed(list(graph.nodes.items())):
        if key in found:
            found.update(node.predecessors)
    return frozenset(found)


def _with_other_changes(
    old: Compiled, new: Compiled, ends: Mapping[str, Settled], start: frozenset[str], again: frozenset[str], edited: frozenset[str]
) -> frozenset[str]:
    """`again`, and what has changed beside the way to `start`: it runs anew. What has changed on that way cannot be reused."""
    upstream = _with_ancestors(new.graph, start) | _with_ancestors(old.graph, start & old.graph.nodes.keys())
    differing = [
        {"key": key, "reason": reason}
        for key in [*old.graph.nodes, *(key for key in new.graph.nodes if key not in old.graph.nodes)]
        if key in upstream and key not in again | edited and (reason := old.difference(new, key))
    ]
    if differing:
        keys = _named(each["key"] for each in differing)
        raise UpstreamDiffersError(f"In that version {keys} is another, so what it made cannot be reused.", nodes=differing)
    changed = {key for key in ends if key in new.graph.nodes and key not in edited and old.difference(new, key)}
    return again | _with_descendants(new.graph, changed)


def _refuse_blocked(graph: Graph, blocked: list[str], start: frozenset[str], reused: Mapping[str, Settled]) -> None:
    """Raise NotReachedError, unless each of them comes after another chosen one."""
    after_others = _with_descendants(graph, {target for key in start for _, target in graph.nodes[key].out})
    if keys := [key for key in blocked if key not in after_others]:
        nodes = [{"key": key, "waits_for": [one for one in graph.nodes[key].predecessors if one not in reused]} for key in keys]
        message = f"The execution has not come to {_named(keys)}: what leads there has not ended, or ended another way."
        raise NotReachedError(message, nodes=nodes)


def _named(keys: Iterable[str]) -> str:
    listed = sorted(keys)
    more = f" and {len(listed) - MAX_NAMED} more" if len(listed) > MAX_NAMED else ""
    return ", ".join(f"'{key}'" for key in listed[:MAX_NAMED]) + more
