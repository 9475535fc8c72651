"""Test runs stop before nodes, show what these will read, let it be changed, and go on."""

from typing import Any
from uuid import UUID, uuid4

import pytest

from apps.executions import breakpoints, protocol
from apps.executions.actions import cancel_execution, start_execution
from apps.executions.breakpoints import Breakpoint, InvalidBreakpointError, NotATestRunError, NotStoppedError, edit, go_on, start_test_run
from apps.executions.models import Execution, ExecutionEvent, NodeRun
from tests.factories import make_version
from tests.workers import functions
from tests.workers.driving import drive, statuses
from tests.workers.test_runner import START, document, put

pytestmark = pytest.mark.django_db(transaction=True)

COUNT = {"type": "function", "config": {"function": "tests.count", "arguments": {}}}
SET_TOTAL = {"type": "data.set", "config": {"values": {"x": "${nodes.a.x + 1}"}, "variables": {"total": "${nodes.a.x * 10}"}}}


@pytest.fixture
def version():
    #  start ─▶ a ─▶ b ─▶ c ─▶ d
    nodes = {"start": START, "a": put(x="${input.x}"), "b": SET_TOTAL, "c": COUNT, "d": put(total="${vars.total}", b="${nodes.b.x}")}
    return make_version(document(nodes, "start -> a -> b -> c -> d", inputs={"x": "number"}, variables={"total": 0}))


def begin(version, *stops: Breakpoint, x: Any = 1) -> UUID:
    started = start_test_run(
        workflow=version.workflow, version=version, breakpoints=stops, started_by=version.workspace.owner, input={"x": x}
    )
    drive(started.execution_id, rounds=10)
    return started.execution_id


def stopped(execution_id) -> list[str]:
    return [each["key"] for each in breakpoints.stopped_at(Execution.objects.get(pk=execution_id))]


def change(execution_id, version, **values):
    return edit(execution_id=execution_id, edited_by=version.workspace.owner, **{"variables": {}, "outputs": []} | values)


def test_it_stops_before_the_node_though_it_is_pure(version):
    functions.calls.clear()
    execution_id = begin(version, Breakpoint("b"), Breakpoint("c"))

    assert (stopped(execution_id), statuses(execution_id)) == (["b"], {"start": "success", "a": "success", "b": "waiting"})
    assert NodeRun.objects.get(execution_id=execution_id, key="a").output == {"x": 1}
    go_on(execution_id=execution_id)
    drive(execution_id, rounds=10)

    assert (stopped(execution_id), functions.calls) == (["c"], [])
    go_on(execution_id=execution_id)
    execution = drive(execution_id)

    assert (execution.status, execution.trigger, execution.output) == ("success", "test", {"total": 10, "b": 2})
    assert len(functions.calls) == 1
    kinds = list(ExecutionEvent.objects.filter(execution_id=execution_id).order_by("sequence").values_list("sequence", "kind"))
    assert [sequence for sequence, _ in kinds] == list(range(1, len(kinds) + 1))
    assert [kind for _, kind in kinds].count("continued") == 2


def test_a_step_runs_one_node_and_stops_before_the_next(version):
    execution_id = begin(version, Breakpoint("a"))
    seen = []
    while keys := stopped(execution_id):
        seen += keys
        breakpoints.step(execution_id=execution_id, key=keys[0])
        drive(execution_id, rounds=10)

    assert seen == ["a", "b", "c", "d"]
    assert Execution.objects.get(pk=execution_id).status == "success"


def test_going_on_after_a_step_stops_at_breakpoints_alone(version):
    execution_id = begin(version, Breakpoint("a"), Breakpoint("d"))
    breakpoints.step(execution_id=execution_id, key="a")
    drive(execution_id, rounds=10)
    assert stopped(execution_id) == ["b"]

    go_on(execution_id=execution_id)
    drive(execution_id, rounds=10)

    assert stopped(execution_id) == ["d"]


@pytest.mark.parametrize(("x", "at"), [(1, []), (200, ["c"])])
def test_a_condition_says_where_it_stops(version, x, at):
    assert stopped(begin(version, Breakpoint("c", "${vars.total > 1000 && nodes.b.x > 1}"), x=x)) == at


@pytest.mark.parametrize(
    ("condition", "paths"),
    [("${item.n > 1 && index < 3}", ["1", "2"]), ("${nodes.first.n == 3}", ["2"]), ("${item.n > 9}", [])],
)
def test_a_condition_in_a_loop_reads_what_the_iteration_is_about(condition, paths):
    #  start ─▶ each[ first ─▶ second ] ─▶ after
    nodes = {
        "start": START,
        "each": {"type": "loop.foreach", "config": {"items": "${items}", "parallel": 4}},
        "first": {**put(n="${item.n}"), "parent": "each"},
        "second": {**put(done="yes"), "parent": "each"},
        "after": put(all="${nodes.each}"),
    }
    version = make_version(document(nodes, "start -> each -> after", "first -> second", inputs={"items": "array"}))
    stop = Breakpoint("second", condition)
    started = start_test_run(
        workflow=version.workflow,
        version=version,
        breakpoints=[stop],
        started_by=version.workspace.owner,
        input={"items": [{"n": number} for number in (1, 2, 3, 4)]},
    )
    drive(started.execution_id, rounds=10)

    found = breakpoints.stopped_at(Execution.objects.get(pk=started.execution_id))
    assert sorted((each["key"], each["path"], each["fault"]) for each in found) == [("second", path, None) for path in paths]
    if paths:
        go_on(execution_id=started.execution_id)
    assert drive(started.execution_id).output == {"all": [{"done": "yes"}] * 4}


@pytest.mark.parametrize("condition", ["${1 / (nodes.b.x - 2) > 0}", "${nodes.b.x}"])
def test_a_condition_without_an_answer_stops_and_says_why(version, condition):
    execution_id = begin(version, Breakpoint("c", condition))

    (stop,) = breakpoints.stopped_at(Execution.objects.get(pk=execution_id))
    assert stop["key"] == "c"
    assert stop["fault"]


def test_variables_and_outputs_are_changed_for_this_execution_and_kept_in_history(version):
    execution_id = begin(version, Breakpoint("d"))

    change(execution_id, version, variables={"total": 7}, outputs=[{"key": "b", "path": "", "output": {"x": "edited"}}])
    go_on(execution_id=execution_id)

    assert drive(execution_id).output == {"total": 7, "b": "edited"}
    changes = ExecutionEvent.objects.get(execution_id=execution_id, kind="edited").changes
    shown = {change["key"]: (change["before"], change["after"], change["by"]) for change in changes}
    assert shown == {"b": ({"x": 2}, {"x": "edited"}, "ada"), "$variables": ({"total": 10}, {"total": 7}, "ada")}
    assert drive(begin(version)).output == {"total": 10, "b": 2}, "another execution is as ever"


def test_what_cannot_be_changed_is_refused_and_nothing_is_changed(version):
    execution_id = begin(version, Breakpoint("d"))
    for outputs in ([{"key": "d", "path": "", "output": 1}], [{"key": "nowhere", "path": "", "output": 1}]):
        with pytest.raises(InvalidBreakpointError) as caught:
            change(execution_id, version, variables={"total": 1}, outputs=outputs)
        assert caught.value.details["pointer"] == "/outputs/0/key"
    with pytest.raises(InvalidBreakpointError):
        change(execution_id, version, outputs=[{"key": "b", "path": "", "output": "x" * 70_000}])
    assert Execution.objects.get(pk=execution_id).variables == {"total": 10}


def test_only_a_test_run_that_is_stopped_is_stepped_through(version):
    ordinary = start_execution(workflow=version.workflow, input={"x": 1}).execution_id
    ended = begin(version)
    for execution_id, error in ((ordinary, NotATestRunError), (uuid4(), NotATestRunError), (ended, NotStoppedError)):
        with pytest.raises(error):
            go_on(execution_id=execution_id)
        with pytest.raises(error):
            breakpoints.step(execution_id=execution_id, key="a")
        with pytest.raises(error):
            change(execution_id, version, variables={"total": 1})
    waiting = begin(version, Breakpoint("c"))
    with pytest.raises(NotStoppedError):
        breakpoints.step(execution_id=waiting, key="b")
    assert cancel_execution(execution_id=waiting) == "cancelled"


@pytest.mark.parametrize(
    ("stop", "pointer"),
    [
        (Breakpoint("nowhere"), "/breakpoints/0/node"),
        (Breakpoint("$output"), "/breakpoints/0/node"),
        (Breakpoint("a", "${1 +}"), "/breakpoints/0/condition"),
        (Breakpoint("a", "${nodes.nowhere.x}"), "/breakpoints/0/condition"),
        (Breakpoint("a", "${nothing}"), "/breakpoints/0/condition"),
        (Breakpoint("a", "${item > 1}"), "/breakpoints/0/condition"),
        (Breakpoint("a", "vars.total > 1"), "/breakpoints/0/condition"),
    ],
)
def test_a_breakpoint_that_cannot_be_is_refused(version, stop, pointer):
    with pytest.raises(InvalidBreakpointError) as caught:
        begin(version, stop)
    assert caught.value.details["pointer"] == pointer
    assert not Execution.objects.exists()


def test_a_worker_that_dies_at_the_stop_costs_neither_the_stop_nor_a_second_one(version):
    started = start_test_run(
        workflow=version.workflow, version=version, breakpoints=[Breakpoint("c")], started_by=version.workspace.owner, input={"x": 1}
    ).execution_id
    drive(started, rounds=1)
    assert protocol.claim(execution_id=started, keys=["c"], tokens=[uuid4()], path="", worker="w", reads=[], wants_input=False)
    lose_the_worker(started)
    drive(started, rounds=5)
    assert stopped(started) == ["c"]
    go_on(execution_id=started)
    assert protocol.claim(execution_id=started, keys=["c"], tokens=[uuid4()], path="", worker="w", reads=[], wants_input=False)
    lose_the_worker(started)

    assert drive(started).status == "success"


def lose_the_worker(execution_id):
    protocol.lapse(workers=["w"])
    rows = protocol.fetch("select * from rescue_v1(10, 3, %(t)s, interval '15 s', null)", {"t": uuid4()})
    assert [(row["execution_id"], row["status"]) for row in rows] == [(execution_id, "queued")]
