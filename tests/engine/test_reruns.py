"""What a re-run reuses, and where it goes on."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.engine.definition import Definition, parse_definition
from apps.engine.graph import OUTPUT_KEY, compile_graph
from apps.engine.planner import Settled
from apps.engine.reruns import (
    Compiled,
    EditedNodeRunsAgainError,
    NothingToRerunError,
    NotReachedError,
    UnknownNodeError,
    UpstreamDiffersError,
    plan_rerun,
)
from apps.engine.statuses import NodeRunStatus
from tests.engine.simulation import Simulation, definition_of, definitions, traits
from tests.engine.test_planner import ENDS

SUCCESS, FAILED, CANCELLED = NodeRunStatus.SUCCESS, NodeRunStatus.FAILED, NodeRunStatus.CANCELLED
DONE, BROKEN, STOPPED = Settled(SUCCESS, "out"), Settled(FAILED, None), Settled(CANCELLED, None)


def version(*lines: str, changed: str = "", joins: dict[str, str] | None = None) -> Compiled:
    """A version of the graph drawn by `a -> b -> c`; the config of the nodes named in `changed` is another."""
    keys = list(dict.fromkeys(key for line in lines for key in line.split(" -> ")))
    edges = [{"source": a, "target": b} for line in lines for stops in [line.split(" -> ")] for a, b in pairwise(stops)]
    nodes = [
        {"key": key, "type": "test", "config": {"new": True} if key in changed else {}, "join": (joins or {}).get(key, "all")}
        for key in keys
    ]
    return compiled(definition_of(nodes, edges))


def compiled(definition: Definition) -> Compiled:
    return Compiled(definition, compile_graph(definition, lambda node: traits()))


def plan(old: Compiled, ends: dict[str, Settled], chosen: str | None, *, new: Compiled | None = None, edited: str = ""):
    return plan_rerun(old, new or old, ends, chosen=None if chosen is None else frozenset(chosen), edited=frozenset(edited))


def test_what_failed_runs_again_and_what_came_before_is_reused():
    #  a ──▶ b ✗ ──▶ c
    found = plan(version("a -> b -> c"), {"a": DONE, "b": BROKEN}, None)

    assert set(found.reused) == {"a"}
    assert found.frontier.ready == ("b",)
    assert found.runs == ("b", "c", OUTPUT_KEY)


def test_a_branch_beside_the_chosen_node_is_reused_as_far_as_it_came():
    #  a ─┬▶ b ✗ ─┬▶ d
    #     └▶ c ✓ ─┘
    found = plan(version("a -> b -> d", "a -> c -> d"), {"a": DONE, "b": BROKEN, "c": DONE}, None)

    assert set(found.reused) == {"a", "c"}
    assert (found.frontier.gates["d"].settled, found.frontier.gates["d"].live) == (1, 1)


def test_from_a_node_all_after_it_runs_again():
    found = plan(version("a -> b -> c"), {"a": DONE, "b": DONE, "c": DONE, OUTPUT_KEY: DONE}, "b")

    assert (set(found.reused), found.frontier.ready) == ({"a"}, ("b",))


def test_a_failure_that_was_handled_is_reused():
    handled = Settled(FAILED, "error")

    found = plan(version("a -> b"), {"a": handled, "b": STOPPED}, None)

    assert found.reused == {"a": handled}


def test_where_all_went_well_nothing_is_left_to_run():
    with pytest.raises(NothingToRerunError):
        plan(version("a -> b"), {"a": DONE, "b": DONE, OUTPUT_KEY: DONE}, None)


def test_a_node_that_the_version_lacks_is_unknown():
    with pytest.raises(UnknownNodeError) as caught:
        plan(version("a -> b"), {"a": DONE, "b": BROKEN}, "z")
    assert caught.value.details["nodes"] == ["z"]


def test_a_node_that_was_not_reached_says_what_it_waits_for():
    with pytest.raises(NotReachedError) as caught:
        plan(version("a -> b -> c"), {"a": DONE, "b": BROKEN}, "c")
    assert caught.value.details["nodes"] == [{"key": "c", "waits_for": ["b"]}]


def test_an_output_given_for_a_failed_node_lets_it_count_as_success():
    found = plan(version("a -> b -> c"), {"a": DONE, "b": BROKEN}, "c", edited="b")

    assert found.reused == {"a": DONE, "b": DONE}
    assert found.frontier.ready == ("c",)


def test_an_output_given_for_a_node_that_runs_again_is_refused():
    with pytest.raises(EditedNodeRunsAgainError) as caught:
        plan(version("a -> b -> c"), {"a": DONE, "b": BROKEN}, "b", edited="c")
    assert caught.value.details["nodes"] == ["c"]


def test_an_edited_output_leaves_by_the_port_of_the_old_one():
    ends = {"a": Settled(SUCCESS, "left"), "b": BROKEN}
    assert plan(version("a -> b"), {"a": DONE, "b": BROKEN}, None, edited="a").reused["a"].port == "out"
    assert (
        plan_rerun(two := version("a -> c"), two, ends | {"c": DONE}, chosen=frozenset(), edited=frozenset("a")).reused["a"].port == "left"
    )


@pytest.mark.parametrize(
    ("new", "reason"),
    [
        (version("a -> b -> c", changed="a"), {"key": "a", "reason": "config"}),
        (version("b -> c"), {"key": "a", "reason": "removed"}),
        (version("a -> n -> b -> c"), {"key": "n", "reason": "new"}),
    ],
)
def test_another_version_must_be_the_same_upstream(new, reason):
    with pytest.raises(UpstreamDiffersError) as caught:
        plan(version("a -> b -> c"), {"a": DONE, "b": BROKEN}, "b", new=new)
    assert reason in caught.value.details["nodes"]


def test_another_version_may_differ_from_the_chosen_node_on():
    new = version("a -> b -> c -> d", changed="b")

    found = plan(version("a -> b -> c"), {"a": DONE, "b": BROKEN}, "b", new=new)

    assert found.runs == ("b", "c", "d", OUTPUT_KEY)


def test_what_another_version_changed_beside_the_way_runs_anew():
    old, new = version("a -> b", "a -> c"), version("a -> b", "a -> c", changed="c")

    found = plan(old, {"a": DONE, "b": BROKEN, "c": DONE}, "b", new=new)

    assert set(found.reused) == {"a"}
    assert found.frontier.ready == ("b", "c")


@given(data=st.data(), document=definitions())
@settings(max_examples=300, deadline=None)
def test_from_wherever_it_was_stopped_a_rerun_runs_what_is_missing_and_nothing_else(data, document):
    it = compiled(parse_definition(document.model_dump(by_alias=True, mode="json")))
    ends = {key: data.draw(ENDS, label=key) for key in it.graph.nodes}
    first = Simulation(it.graph)
    for _ in range(data.draw(st.integers(0, 6), label="steps")):
        if first.open_keys:
            first.run(data.draw(st.sampled_from(first.open_keys)), ends, riders=data.draw(st.integers(0, 2)))
    stopped = {key: end or STOPPED for key, end in first.rows.items()}
    if not first.open_keys:
        return

    found = plan(it, stopped, None)

    again = Simulation(it.graph)
    again.rows = {
        **found.reused,
        **dict.fromkeys(found.frontier.skipped, Settled(NodeRunStatus.SKIPPED, None)),
        **dict.fromkeys(found.frontier.ready),
    }
    again.gates = {key: arrived for key, arrived in found.frontier.gates.items() if it.graph.nodes[key].is_join}
    while again.open_keys:
        again.run(data.draw(st.sampled_from(again.open_keys)), ends, riders=data.draw(st.integers(0, 2)))
    assert not set(again.started) & set(found.reused), "what was to be reused ran"
    assert set(again.started) <= set(found.runs)
    assert set(again.rows) == set(it.graph.nodes), "a node was forgotten"
