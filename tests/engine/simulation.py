"""An execution in memory: random graphs, and the same bookkeeping that `settle_v1` does in SQL."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from hypothesis import strategies as st

from apps.engine.definition import Definition, Node, parse_definition
from apps.engine.graph import Graph, Traits, compile_graph
from apps.engine.planner import Arrivals, Settled, Walk
from apps.engine.statuses import NodeRunStatus

PORTS = ("out", "left", "right")
SELECTIONS = ((), ("out",), ("left",), ("right",), ("left", "right"))


LOOP = "test.loop"


def traits(*, is_pure: bool = False, on_worker_lost: str = "rerun", is_brief: bool = False, is_loop: bool = False) -> Traits:
    return Traits(
        is_pure=is_pure and not is_loop,
        is_brief=is_brief,
        queue="default",
        on_worker_lost="rerun" if is_loop else on_worker_lost,
        reads_upstream=False,
        is_loop=is_loop,
    )


def graph_of(*lines: str, joins: Mapping[str, Any] | None = None) -> Graph:
    """A graph as text: `graph_of("a -> b -> d", "a:left -> c -> d", joins={"d": "any"})`."""
    keys: dict[str, None] = {}
    edges = []
    for line in lines:
        stops = [stop.strip().partition(":") for stop in line.split("->")]
        keys |= {key: None for key, _, _ in stops}
        edges += [{"source": a, "port": port or "out", "target": b} for (a, _, port), (b, _, _) in pairwise(stops)]
    nodes = [{"key": key, "type": "test", "join": (joins or {}).get(key, "all")} for key in keys]
    return compile_graph(definition_of(nodes, edges), lambda node: traits())


def definition_of(nodes: list[dict[str, Any]], edges: list[dict[str, Any]]) -> Definition:
    return parse_definition({"name": "test", "nodes": nodes, "edges": edges})


@st.composite
def definitions(draw: st.DrawFn, *, max_nodes: int = 8, depth: int = 0) -> Definition:
    """Random acyclic graphs with every kind of join; where `depth` is over 0, with loops so many deep, and joins that cancel the rest."""
    nodes, edges = draw(_levels(max_nodes=max_nodes, depth=depth, may_cancel=depth > 0, prefix="n", parent=None))
    return definition_of(nodes, edges)


@st.composite
def _levels(
    draw: st.DrawFn, *, max_nodes: int, depth: int, may_cancel: bool, prefix: str, parent: str | None
) -> tuple[list[Any], list[Any]]:
    """Nodes and edges of one level, and of the bodies of the loops in it."""
    count = draw(st.integers(1, max_nodes))
    edges = [
        {"source": f"{prefix}{source}", "port": port, "target": f"{prefix}{target}"}
        for target in range(1, count)
        for source in range(target)
        for port in draw(st.sampled_from(SELECTIONS))
        if draw(st.integers(0, 2)) == 0
    ]
    nodes = []
    for index in range(count):
        in_degree = sum(edge["target"] == f"{prefix}{index}" for edge in edges)
        join: Any = "all"
        if in_degree > 1:
            join = draw(st.sampled_from(["all", "any", "all_settled", {"at_least": draw(st.integers(1, in_degree))}]))
        cancels = may_cancel and join not in ("all", "all_settled") and draw(st.booleans())
        is_loop = depth > 0 and draw(st.integers(0, 3)) == 0
        nodes.append(
            {"key": f"{prefix}{index}", "type": LOOP if is_loop else "test", "join": join, "cancel_rest": cancels, "parent": parent}
        )
    for loop in [node["key"] for node in nodes if node["type"] == LOOP]:
        inner = draw(_levels(max_nodes=3, depth=depth - 1, may_cancel=may_cancel, prefix=f"{loop}_", parent=loop))
        nodes += inner[0]
        edges += inner[1]
    return nodes, edges


@st.composite
def graphs(draw: st.DrawFn, *, max_nodes: int = 8) -> Graph:
    pure = draw(st.integers(0, 2**max_nodes - 1))
    return compile_graph(draw(definitions(max_nodes=max_nodes)), lambda node: traits(is_pure=bool(pure >> _index(node) & 1)))


def _index(node: Node) -> int:
    return int(node.key[1:])


@dataclass
class Simulation:
    """Node runs and gates of one execution.

    rows     {key: how it ended, None while it is queued or runs}
    gates    {join: arrivals counted so far}
    started  keys in the order in which they were performed
    """

    graph: Graph
    rows: dict[str, Settled | None] = field(default_factory=dict)
    gates: dict[str, Arrivals] = field(default_factory=dict)
    started: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.rows = dict.fromkeys(self.graph.entries)

    @property
    def open_keys(self) -> list[str]:
        return [key for key, end in self.rows.items() if end is None]

    def run(self, key: str, ends: Mapping[str, Settled], *, riders: int) -> None:
        """Perform a queued node and up to `riders` pure nodes after it, then write all of it at once."""
        walk = Walk(self.graph)
        gate = self.gates.get(key)
        node = self.graph.nodes[key]
        end = ends[key]
        if gate is not None and not node.starts(live=gate.live):
            end = Settled(NodeRunStatus.SKIPPED, None)
        else:
            self.started.append(key)
        settled = {key: end}
        follows = walk.settle(key, end)
        waiting = list(follows.ready)
        settled |= {skipped: Settled(NodeRunStatus.SKIPPED, None) for skipped in follows.skipped}
        while riders and (pure := [one for one in waiting if self.graph.nodes[one].traits.is_pure]):
            rider = pure[0]
            waiting.remove(rider)
            riders -= 1
            self.started.append(rider)
            settled[rider] = ends[rider]
            follows = walk.settle(rider, ends[rider])
            waiting += follows.ready
            settled |= {skipped: Settled(NodeRunStatus.SKIPPED, None) for skipped in follows.skipped}
        assert not {one for one in settled if self.rows.get(one, "none") not in (None, "none")}, "a settled node settled again"
        self.rows |= settled
        self._queue(waiting)
        for join, arrived in walk.arrivals.items():
            self._count(join, arrived)

    def _queue(self, keys: list[str]) -> None:
        assert not set(keys) & set(self.rows), "a node became ready twice"
        self.rows |= dict.fromkeys(keys)

    def _count(self, join: str, arrived: Arrivals) -> None:
        before = self.gates.get(join, Arrivals())
        now = Arrivals(before.settled + arrived.settled, before.live + arrived.live)
        self.gates[join] = now
        node = self.graph.nodes[join]
        assert now.settled <= node.expected
        if (now.settled == node.expected or now.live >= node.needed) and join not in self.rows:
            self.rows[join] = None
