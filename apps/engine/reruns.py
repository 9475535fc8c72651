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
    """An output is given for a node that will make one itself; details: {"nodes": [key]}, in a loop `key[path]`."""

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
_MEANING = ("type", "config", "join", "disabled", "on_error", "parent")


@dataclass(frozen=True)
class Compiled:
    """A version: as it is written, and as it runs."""

    definition: Definition
    graph: Graph

    def difference(self, other: "Compiled", key: str) -> str | None:
        """Why what this version made of a node cannot stand for what `other` would make of it; None: it can."""
        return self.own_difference(other, key) or self._body_difference(other, key)

    def own_difference(self, other: "Compiled", key: str) -> str | None:
        """As above, of a loop without what is in its body: iterations of the one can go on in the other."""
        if key == OUTPUT_KEY:
            return None if self.definition.output == other.definition.output else "output"
        mine, its = self.nodes.get(key), other.nodes.get(key)
        if mine is None or its is None:
            return "new" if mine is None else "removed"
        if self._incoming[key] != other._incoming[key]:
            return "edges"
        if mine.type != its.type:
            return "type"
        if key in self.graph.loops and set(self.graph.loops[key].sinks) != set(other.graph.loops[key].sinks):
            return "body"
        return next((name for name in _MEANING if getattr(mine, name) != getattr(its, name)), None)

    def _body_difference(self, other: "Compiled", key: str) -> str | None:
        if key not in self.graph.loops:
            return None
        mine, its = ({*version.graph.loops[key].body, *version.graph.loops[key].inside} for version in (self, other))
        differs = mine != its or any(self.own_difference(other, inner) for inner in mine)
        return "body" if differs else None

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
    """What a re-run takes over, and what it runs, of one level: outside loops, or of one iteration.

    reused    {key: how it ended} of the nodes whose runs are taken over, or whose output was given
    frontier  where it goes on
    runs      keys that may run, in topological order: all that are neither reused nor on a dead path by now
    reopened  loops of the frontier that are taken up where they stood, as far as they had begun
    """

    reused: Mapping[str, Settled]
    frontier: Frontier
    runs: tuple[str, ...]
    reopened: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Level:
    """One level of an execution: an iteration of `loop`, whose path it has, or what is outside loops."""

    loop: str | None = None
    path: str = ""

    def label(self, key: str) -> str:
        return f"{key}[{self.path}]" if self.path else key


OUTSIDE = Level()


def plan_rerun(
    old: Compiled,
    new: Compiled,
    ends: Mapping[str, Settled],
    *,
    chosen: frozenset[str] | None,
    edited: frozenset[str] = frozenset(),
    opened: frozenset[str] = frozenset(),
    level: Level = OUTSIDE,
) -> RerunPlan:
    """Say what running again from `chosen` means: these nodes and all after them run, the rest is reused as far as it has ended well.

    ends     {key: how its run in the ended execution ended}, of this level
    chosen   keys to run again; None: from where it failed or was stopped
    edited   keys whose output is given, in place of the one that they had
    opened   loops in which a place was chosen: what is around that place is kept
    Raises UnknownNodeError, EditedNodeRunsAgainError, UpstreamDiffersError, NotReachedError, NothingToRerunError.
    """
    graph = new.graph
    start = (stopped(graph, ends) - edited if chosen is None else chosen) | opened
    _check_known(new, start | edited, level)
    again = _with_descendants(graph, start)
    if both := again & edited:
        names = sorted(map(level.label, both))
        raise EditedNodeRunsAgainError(f"The output of {_named(names)} is given, but it runs again and makes one itself.", nodes=names)
    if old is not new:
        again = _with_other_changes(old, new, ends, start, again, edited, level)
    reused = {key: end for key, end in ends.items() if key in graph.nodes and key not in again | edited and _may_be_reused(end)}
    reused |= {key: Settled(NodeRunStatus.SUCCESS, _port_of(ends.get(key))) for key in edited}
    found = frontier(graph, reused, loop=level.loop)
    needed = opened if chosen is None else chosen | opened
    if blocked := [key for key in graph.nodes if key in needed and key not in found.ready]:
        _refuse_blocked(graph, blocked, start, reused, level)
    if not found.ready and level.loop is None:
        raise NothingToRerunError("Nothing is left to run: no node failed or was stopped. Name the node to run again from.")
    after = _with_descendants(graph, found.ready)
    runs = tuple(key for key in graph.nodes if key in after and key not in reused and key not in found.skipped)
    goes_on = opened | {key for key, end in ends.items() if not _may_be_reused(end)}
    after_start = _with_descendants(graph, {target for key in start for _, target in graph.nodes[key].out})
    loops = [key for key in found.ready if key in graph.loops and key in goes_on - (chosen or frozenset()) - after_start]
    return RerunPlan(reused, found, runs, _reopened(old, new, loops, opened, level))


def stopped(graph: Graph, ends: Mapping[str, Settled]) -> frozenset[str]:
    """Keys of the nodes that failed for good, or were cancelled.

    A failure that the workflow has handled is none, nor is what a join cancelled when it started.
    """
    joins = (graph.nodes[key] for key, end in ends.items() if key in graph.nodes and _may_be_reused(end))
    lost = {key for join in joins if join.loses is not None for key in join.loses.here}
    return frozenset(key for key, end in ends.items() if not _may_be_reused(end) and key not in lost)


def _reopened(old: Compiled, new: Compiled, loops: Iterable[str], opened: frozenset[str], level: Level) -> tuple[str, ...]:
    """Those of the loops that can be taken up where they stood. Raises UpstreamDiffersError of those that should and cannot."""
    if old is new:
        return tuple(loops)
    reasons = {key: old.own_difference(new, key) for key in loops}
    if differing := [{"key": level.label(key), "reason": reason} for key, reason in reasons.items() if reason and key in opened]:
        _refuse_differing(differing)
    return tuple(key for key, reason in reasons.items() if reason is None)


def _may_be_reused(end: Settled) -> bool:
    if end.status is NodeRunStatus.FAILED:
        return end.port is not None
    return end.status in (NodeRunStatus.SUCCESS, NodeRunStatus.SKIPPED)


def _port_of(end: Settled | None) -> str:
    return end.port if end is not None and end.status is NodeRunStatus.SUCCESS and end.port is not None else OUT


def _check_known(new: Compiled, keys: Iterable[str], level: Level) -> None:
    nodes = new.graph.nodes
    if unknown := sorted(level.label(key) for key in keys if key not in nodes or nodes[key].parent != level.loop):
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
    old: Compiled,
    new: Compiled,
    ends: Mapping[str, Settled],
    start: frozenset[str],
    again: frozenset[str],
    edited: frozenset[str],
    level: Level,
) -> frozenset[str]:
    """`again`, and what has changed beside the way to `start`: it runs anew. What has changed on that way cannot be reused."""
    upstream = _with_ancestors(new.graph, start) | _with_ancestors(old.graph, start & old.graph.nodes.keys())
    differing = [
        {"key": level.label(key), "reason": reason}
        for key in [*old.graph.nodes, *(key for key in new.graph.nodes if key not in old.graph.nodes)]
        if key in upstream and key not in again | edited and (reason := old.difference(new, key))
    ]
    if differing:
        _refuse_differing(differing)
    changed = {key for key in ends if key in new.graph.nodes and key not in edited and old.difference(new, key)}
    return again | _with_descendants(new.graph, changed)


def _refuse_differing(differing: list[dict[str, str]]) -> None:
    keys = _named(each["key"] for each in differing)
    raise UpstreamDiffersError(f"In that version {keys} is another, so what it made cannot be reused.", nodes=differing)


def _refuse_blocked(graph: Graph, blocked: list[str], start: frozenset[str], reused: Mapping[str, Settled], level: Level) -> None:
    """Raise NotReachedError, unless each of them comes after another chosen one."""
    after_others = _with_descendants(graph, {target for key in start for _, target in graph.nodes[key].out})
    if keys := [key for key in blocked if key not in after_others]:
        nodes = [
            {
                "key": level.label(key),
                "waits_for": [level.label(one) for one in graph.nodes[key].predecessors if one not in reused],
            }
            for key in keys
        ]
        labels = _named(map(level.label, keys))
        raise NotReachedError(f"The execution has not come to {labels}: what leads there has not ended, or ended another way.", nodes=nodes)


def _named(keys: Iterable[str]) -> str:
    listed = sorted(keys)
    more = f" and {len(listed) - MAX_NAMED} more" if len(listed) > MAX_NAMED else ""
    return ", ".join(f"'{key}'" for key in listed[:MAX_NAMED]) + more
