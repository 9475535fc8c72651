"""What follows from an outcome. Pure: reads no clock, no database, and gives the same answer to the same question.

`settle` looks at one node and its out-edges, and serves the running of nodes. `frontier` looks at a whole execution from its node runs
alone, and serves everything that has to find its way back. A property test holds the two against each other.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from apps.engine.definition import DefaultOutput
from apps.engine.graph import Graph, GraphNode
from apps.engine.outcomes import ERROR, OUT, Failed
from apps.engine.retry import allows_retry, retry_delay_seconds
from apps.engine.statuses import NodeRunStatus


@dataclass(frozen=True, slots=True)
class Settled:
    """How a node run ended.

    port   the port whose edges are live; None: all its out-edges are dead
    """

    status: NodeRunStatus
    port: str | None


@dataclass(frozen=True, slots=True)
class Arrivals:
    """Edges into a join that settled: how many, and how many of them live."""

    settled: int = 0
    live: int = 0

    def plus(self, *, is_live: bool) -> "Arrivals":
        return Arrivals(self.settled + 1, self.live + is_live)


@dataclass(frozen=True, slots=True)
class Settlement:
    """What follows at once from settled nodes.

    ready      keys that start now
    skipped    keys on dead paths, in topological order
    arrivals   {join: arrivals} of joins that other edges still lead to
    """

    ready: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    arrivals: Mapping[str, Arrivals] = field(default_factory=dict)


SKIPPED = Settled(NodeRunStatus.SKIPPED, None)


class Walk:
    """A stretch of nodes that settle one after the other, with nobody else looking.

    Joins whose in-edges have all settled within the walk are decided here; other joins are left as arrivals for the gates to count.
    """

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._arrivals: dict[str, Arrivals] = {}

    @property
    def arrivals(self) -> Mapping[str, Arrivals]:
        """Arrivals at joins that the walk could not decide."""
        return self._arrivals

    def settle(self, key: str, settled: Settled) -> Settlement:
        """Say what follows when the node `key` has ended so; `arrivals` of the result are those of the whole walk so far."""
        ready: list[str] = []
        skipped: list[str] = []
        pending = deque([(key, settled.port)])
        while pending:
            source, live_port = pending.popleft()
            for port, target in self._graph.nodes[source].out:
                starts = self._arrive(self._graph.nodes[target], is_live=port == live_port)
                if starts:
                    ready.append(target)
                elif starts is False:
                    skipped.append(target)
                    pending.append((target, None))
        return Settlement(tuple(ready), tuple(skipped), dict(self._arrivals))

    def _arrive(self, node: GraphNode, *, is_live: bool) -> bool | None:
        """True: it starts; False: it is skipped; None: not decided here."""
        arrived = self._arrivals.get(node.key, Arrivals()).plus(is_live=is_live)
        if arrived.settled < node.expected:
            self._arrivals[node.key] = arrived
            return None
        self._arrivals.pop(node.key, None)
        return node.starts(live=arrived.live)


def settle(graph: Graph, key: str, settled: Settled) -> Settlement:
    """Say which nodes start, which are skipped, and at which joins edges arrived, when one node has ended."""
    return Walk(graph).settle(key, settled)


@dataclass(frozen=True, slots=True)
class Frontier:
    """Where an execution stands.

    ready     keys that should have a node run and have none, and start
    skipped   keys that should have one and have none, on dead paths
    gates     {join: arrivals} of joins that some edges have reached and that have not started
    """

    ready: tuple[str, ...]
    skipped: tuple[str, ...]
    gates: Mapping[str, Arrivals]

    @property
    def is_final(self) -> bool:
        return not self.ready and not self.skipped


def frontier(graph: Graph, snapshot: Mapping[str, Settled | None], *, loop: str | None = None) -> Frontier:
    """Say what an execution does next, from its node runs alone.

    snapshot   {node key: how it ended, None while it has not}, one entry for each node run of one level, in one iteration
    loop       key of the loop whose iteration that is, None for the level outside loops

    Skipping is followed to its end: the skipped nodes count as settled for those after them. Nothing is asked of nodes that a join
    cancelled when it started. The end of an iteration is a node among the others, that becomes ready.
    """
    ends: dict[str, Settled | None] = dict(snapshot)
    arrivals: dict[str, Arrivals] = {}
    ready: list[str] = []
    skipped: list[str] = []
    cancelled = {each for key in ends for part in [graph.nodes[key].loses] if part is not None for each in part.here}
    for key, node in graph.nodes.items():
        if node.parent != loop:
            continue
        if key not in ends:
            if key in cancelled:
                continue
            arrived = arrivals.get(key, Arrivals())
            if node.expected and arrived.settled < node.expected and arrived.live < node.needed:
                continue
            if node.expected == 0 or node.starts(live=arrived.live):
                ready.append(key)
                continue
            skipped.append(key)
            ends[key] = SKIPPED
        if (end := ends[key]) is not None:
            for port, target in node.out:
                arrivals[target] = arrivals.get(target, Arrivals()).plus(is_live=port == end.port)
    waiting = {key: arrived for key, arrived in arrivals.items() if key not in ends and key not in ready and key not in cancelled}
    return Frontier(tuple(ready), tuple(skipped), waiting)


@dataclass(frozen=True, slots=True)
class Retrying:
    """Try again after a delay on the database's clock."""

    delay_seconds: float


@dataclass(frozen=True, slots=True)
class Handled:
    """The node run ends, and the workflow knows how to go on.

    output   what the node's successors read
    """

    settled: Settled
    output: Any


@dataclass(frozen=True, slots=True)
class Fatal:
    """The node run ends, and the execution fails with it."""


def after_failure(node: GraphNode, failed: Failed, *, attempt: int, draw: float) -> Retrying | Handled | Fatal:
    """Say what a failure leads to: the retry policy first, then the error branch, then the node's strategy.

    draw   a random number in [0, 1), for the jitter of the delay
    """
    if allows_retry(node.retry, failed, attempt=attempt) and node.retry is not None:
        delay = retry_delay_seconds(node.retry, attempt=attempt, draw=draw)
        return Retrying(max(delay, failed.error.retry_after_seconds or 0.0))
    if node.catches_errors:
        return Handled(Settled(NodeRunStatus.FAILED, ERROR), {"error": failed.error.as_json()})
    if isinstance(node.on_error, DefaultOutput):
        return Handled(Settled(NodeRunStatus.FAILED, OUT), node.on_error.default)
    if node.on_error == "continue":
        return Handled(Settled(NodeRunStatus.FAILED, OUT), {"error": failed.error.as_json()})
    if node.on_error == "skip":
        return Handled(SKIPPED, None)
    return Fatal()
