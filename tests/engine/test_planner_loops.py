"""Loops, level by level: node by node as things end, and from the rows of a level alone."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from apps.engine.graph import OUTPUT_KEY, Graph, Part, compile_graph
from apps.engine.planner import Arrivals, Settled, Walk, frontier
from apps.engine.statuses import NodeRunStatus
from tests.engine.simulation import LOOP, PORTS, definition_of, definitions, traits

Place = tuple[str, str]
ENDS = st.sampled_from([*(Settled(NodeRunStatus.SUCCESS, port) for port in PORTS), Settled(NodeRunStatus.FAILED, "error")])
CANCELLED = Settled(NodeRunStatus.CANCELLED, None)
SKIPPED = Settled(NodeRunStatus.SKIPPED, None)


def compiled(definition) -> Graph:
    return compile_graph(definition, lambda node: traits(is_loop=node.type == LOOP))


@dataclass
class LoopSimulation:
    """One execution in memory, with the bookkeeping of `settle_v3` and of its loops.

    rows     {(key, path): how it ended, None while it is queued or runs}
    left     {(loop, path): iterations that have not begun}
    running  {(loop, path): paths of those that run}
    """

    graph: Graph
    rows: dict[Place, Settled | None] = field(default_factory=dict)
    gates: dict[Place, Arrivals] = field(default_factory=dict)
    left: dict[Place, list[str]] = field(default_factory=dict)
    running: dict[Place, set[str]] = field(default_factory=dict)
    started: list[Place] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.rows = dict.fromkeys((key, "") for key in self.graph.entries)

    @property
    def open_places(self) -> list[Place]:
        """What may end next: not a loop that waits for its iterations."""
        return [place for place, end in self.rows.items() if end is None and place not in self.left]

    def run(self, place: Place, end: Settled, *, iterations: int, parallel: int) -> None:
        key, path = place
        gate = self.gates.get(place)
        if gate is not None and not self.graph.nodes[key].starts(live=gate.live):
            self.settle(place, SKIPPED)
            return
        self.started.append(place)
        if key not in self.graph.loops:
            self.settle(place, end)
            return
        self.left[place] = [f"{path}.{index}" if path else str(index) for index in range(iterations)]
        self.running[place] = set()
        for _ in range(parallel):
            self.begin_iteration(place)
        self.end_loop(place)

    def settle(self, place: Place, end: Settled) -> None:
        key, path = place
        assert self.rows[place] is None, "a settled node run settled again"
        self.rows[place] = end
        walk = Walk(self.graph)
        follows = walk.settle(key, end)
        for skipped in follows.skipped:
            assert (skipped, path) not in self.rows
            self.rows[skipped, path] = SKIPPED
        for ready in follows.ready:
            self.begin(ready, path)
        for join, arrived in walk.arrivals.items():
            before = self.gates.get((join, path), Arrivals())
            now = self.gates[join, path] = Arrivals(before.settled + arrived.settled, before.live + arrived.live)
            node = self.graph.nodes[join]
            if (now.settled == node.expected or now.live >= node.needed) and (join, path) not in self.rows:
                self.begin(join, path)

    def begin(self, key: str, path: str) -> None:
        node = self.graph.nodes[key]
        if node.ends_loop is not None:
            self.end_iteration(node.ends_loop, path)
            return
        assert (key, path) not in self.rows, "a node became ready twice"
        self.rows[key, path] = None
        if node.loses is not None:
            self.cancel(node.loses, path)

    def cancel(self, part: Part, path: str) -> None:
        below = f"{path}." if path else ""
        for key, at in list(self.rows):
            is_here = key in part.here and at == path
            if self.rows[key, at] is None and (is_here or (key in part.inside and at != "" and at.startswith(below))):
                self.rows[key, at] = CANCELLED
                self.left.pop((key, at), None)

    def begin_iteration(self, loop: Place) -> None:
        if self.left.get(loop):
            path = self.left[loop].pop(0)
            self.running[loop].add(path)
            for key in self.graph.loops[loop[0]].entries:
                self.rows[key, path] = None

    def end_iteration(self, key: str, path: str) -> None:
        loop = key, path.rpartition(".")[0]
        self.running[loop].remove(path)
        if loop in self.left:
            self.begin_iteration(loop)
            self.end_loop(loop)

    def end_loop(self, loop: Place) -> None:
        if loop in self.left and not self.left[loop] and not self.running[loop]:
            del self.left[loop]
            self.settle(loop, Settled(NodeRunStatus.SUCCESS, "out"))

    def levels(self) -> Iterator[tuple[str | None, str]]:
        """(loop, path) of the level outside loops, and of the iterations that run."""
        yield None, ""
        for loop in self.left:
            yield from ((loop[0], path) for path in self.running[loop])


@given(data=st.data(), definition=definitions(max_nodes=5, depth=2))
@settings(max_examples=300, deadline=None)
def test_in_loops_too_both_ways_agree_nothing_runs_twice_and_all_ends(data, definition):
    graph = compiled(definition)
    simulation = LoopSimulation(graph)

    while simulation.open_places:
        place = data.draw(st.sampled_from(simulation.open_places), label="ends next")
        iterations, parallel = data.draw(st.integers(0, 3), label="iterations"), data.draw(st.integers(1, 2), label="parallel")
        simulation.run(place, data.draw(ENDS, label="end"), iterations=iterations, parallel=parallel)

        for loop, path in simulation.levels():
            rows = {key: end for (key, at), end in simulation.rows.items() if at == path and graph.nodes[key].parent == loop}
            whole = frontier(graph, rows, loop=loop)
            assert whole.is_final, f"the rows of {loop}[{path}] alone ask for something that nobody started or skipped"

    assert None not in simulation.rows.values(), "a loop waits for ever"
    assert len(simulation.started) == len(set(simulation.started)), "a node ran twice"
    assert (OUTPUT_KEY, "") in simulation.started


def test_what_leads_to_a_join_alone_is_what_it_cancels():
    #  a ─┬▶ b ──▶ each ──▶ j        each { x }
    #     └▶ c ─┬─────────▶ j
    #           └▶ d
    keys = {"a": {}, "b": {}, "c": {}, "d": {}, "each": {"type": LOOP}, "x": {"parent": "each"}, "j": {"join": "any", "cancel_rest": True}}
    edges = [("a", "b"), ("a", "c"), ("b", "each"), ("each", "j"), ("c", "j"), ("c", "d")]
    nodes = [{"key": key, "type": "test", **more} for key, more in keys.items()]
    graph = compiled(definition_of(nodes, [{"source": source, "target": target} for source, target in edges]))

    assert set(graph.nodes["j"].loses.here) == {"b", "each"}
    assert set(graph.nodes["j"].loses.inside) == {"each", "x"}


def test_the_end_of_an_iteration_waits_for_every_end_of_the_body():
    keys = {"each": {"type": LOOP}, **{key: {"parent": "each"} for key in ("x", "y", "z")}}
    nodes = [{"key": key, "type": "test", **more} for key, more in keys.items()]
    graph = compiled(definition_of(nodes, [{"source": "x", "target": "y"}]))

    loop = graph.loops["each"]
    assert (set(loop.entries), set(loop.sinks)) == ({"x", "z"}, {"y", "z"})
    assert graph.entries == ("each",)
    assert Walk(graph).settle("z", Settled(NodeRunStatus.SUCCESS, "out")).arrivals == {"$end:each": Arrivals(1, 1)}
