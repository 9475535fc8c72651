"""Two ways to the same decision: node by node as things end, and from the rows of an execution alone."""

from hypothesis import given, settings
from hypothesis import strategies as st

from apps.engine.graph import OUTPUT_KEY
from apps.engine.planner import Arrivals, Settled, frontier, settle
from apps.engine.statuses import NodeRunStatus
from tests.engine.simulation import PORTS, Simulation, graph_of, graphs

SUCCESS = NodeRunStatus.SUCCESS
ENDS = st.sampled_from(
    [*(Settled(SUCCESS, port) for port in PORTS), Settled(NodeRunStatus.FAILED, "error"), Settled(NodeRunStatus.SKIPPED, None)]
)


def done(port: str = "out") -> Settled:
    return Settled(SUCCESS, port)


def test_a_node_starts_when_its_only_predecessor_ended():
    #  a ──▶ b
    follows = settle(graph_of("a -> b"), "a", done())

    assert follows.ready == ("b",)
    assert follows.skipped == ()


def test_the_port_that_was_not_taken_is_dead_to_its_end():
    #  a ─left─▶ b ──▶ c
    #    └right▶ d
    graph = graph_of("a:left -> b -> c", "a:right -> d")

    follows = settle(graph, "a", done("right"))

    assert follows.ready == ("d",)
    assert follows.skipped == ("b", "c")
    assert follows.arrivals == {OUTPUT_KEY: Arrivals(settled=1, live=0)}


def test_a_join_inside_one_walk_is_decided_without_a_gate():
    #  a ─left─▶ b ─┐
    #    └─right────▶ c
    graph = graph_of("a:left -> b -> c", "a:right -> c")

    follows = settle(graph, "a", done("right"))

    assert follows.ready == ("c",)
    assert follows.skipped == ("b",)
    assert not follows.arrivals


def test_a_join_that_others_lead_to_is_only_counted():
    #  a ─┬▶ b ─┬▶ d
    #     └▶ c ─┘
    graph = graph_of("a -> b -> d", "a -> c -> d")

    assert settle(graph, "b", done()).arrivals == {"d": Arrivals(settled=1, live=1)}


def test_several_edges_from_one_port_all_go_live():
    assert settle(graph_of("a -> b", "a -> c", "a -> d"), "a", done()).ready == ("b", "c", "d")


def test_a_join_of_any_starts_once_and_skips_only_when_all_are_dead():
    graph = graph_of("a -> d", "b -> d", "c -> d", joins={"d": "any"})

    assert frontier(graph, {"a": done(), "b": None, "c": None}).ready == ("d",)
    assert frontier(graph, {"a": done("left"), "b": None, "c": None}).ready == ()
    assert frontier(graph, dict.fromkeys("abc", done("left"))).skipped == ("d",)


def test_at_least_two_of_three():
    graph = graph_of("a -> d", "b -> d", "c -> d", joins={"d": {"at_least": 2}})

    assert frontier(graph, {"a": done(), "b": None, "c": None}).ready == ()
    assert frontier(graph, {"a": done(), "b": None, "c": done()}).ready == ("d",)
    assert frontier(graph, {"a": done("left"), "b": done("left"), "c": done()}).skipped == ("d",)


def test_all_settled_starts_even_if_every_way_is_dead():
    graph = graph_of("a -> c", "b -> c", joins={"c": "all_settled"})

    assert frontier(graph, {"a": done("left"), "b": done("left")}).ready == ("c",)


def test_a_new_execution_starts_at_its_entries():
    graph = graph_of("a -> c", "b -> c")

    assert frontier(graph, {}).ready == ("a", "b")
    assert graph.entries == ("a", "b")


@given(data=st.data(), graph=graphs())
@settings(max_examples=400, deadline=None)
def test_node_by_node_and_whole_agree_nothing_runs_twice_and_all_ends(data, graph):
    ends = {key: data.draw(ENDS, label=key) for key in graph.nodes}
    simulation = Simulation(graph)

    while simulation.open_keys:
        key = data.draw(st.sampled_from(simulation.open_keys), label="ends next")
        simulation.run(key, ends, riders=data.draw(st.integers(0, 3), label="riders"))

        whole = frontier(graph, simulation.rows)
        assert whole.is_final, "the rows alone ask for something that nobody started or skipped"
        counted = {join: count for join, count in simulation.gates.items() if join not in simulation.rows}
        assert {join: count for join, count in whole.gates.items() if join not in simulation.rows} == counted

    assert len(simulation.started) == len(set(simulation.started)), "a node ran twice"
    assert set(simulation.rows) == set(graph.nodes), "a node was forgotten"
    assert OUTPUT_KEY in simulation.started
