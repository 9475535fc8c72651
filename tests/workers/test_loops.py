"""Loops, run by the real runner on a real PostgreSQL."""

from typing import Any

import pytest

from apps.executions import protocol
from apps.executions.actions import cancel_execution, pause_execution, resume_execution, start_execution
from apps.executions.models import Execution, Iteration, LoopRun, NodeRun
from tests.factories import make_version
from tests.workers import functions
from tests.workers.driving import drive, queued, step
from tests.workers.test_runner import START, document, put, run

pytestmark = pytest.mark.django_db(transaction=True)

ITEMS = {"inputs": {"items": "array"}}


def foreach(items: Any = "${items}", **config: Any) -> dict[str, Any]:
    return {"type": "loop.foreach", "config": {"items": items, **config}}


def inside(loop: str, node: dict[str, Any]) -> dict[str, Any]:
    return {**node, "parent": loop}


def call(name: str, **arguments: Any) -> dict[str, Any]:
    return {"type": "function", "config": {"function": name, "arguments": arguments}}


def waits(seconds: int = 3600) -> dict[str, Any]:
    return {"type": "control.delay", "config": {"seconds": seconds}}


def fails_at(condition: str) -> dict[str, Any]:
    """A pure node that fails where the condition holds: it divides by zero."""
    return put(x=f"${{{condition} ? 1 / 0 : item}}")


def iterations(execution: Execution, key: str = "each") -> list[tuple[str, str]]:
    return list(Iteration.objects.filter(execution=execution, key=key).order_by("loop_path", "index").values_list("path", "status"))


BODIES = {"pure": put(double="${item * 2}", at="${index}"), "external": call("tests.double", number="${item}", at="${index}")}


@pytest.mark.parametrize("parallel", [1, 3, 100])
@pytest.mark.parametrize("body", BODIES)
def test_a_loop_gives_the_outputs_in_the_order_of_the_items(body, parallel):
    nodes = {"start": START, "each": foreach(parallel=parallel), "work": inside("each", BODIES[body]), "after": put(all="${nodes.each}")}

    execution = run(document(nodes, "start -> each -> after", **ITEMS), {"items": list(range(10))})

    assert execution.error is None
    assert execution.output == {"all": [{"double": 2 * i, "at": i} for i in range(10)]}
    assert iterations(execution) == [(str(i), "success") for i in range(10)]
    assert execution.open_nodes == 0


@pytest.mark.parametrize("body", BODIES)
def test_a_loop_over_nothing_ends_at_once(body):
    nodes = {"start": START, "each": foreach(), "work": inside("each", BODIES[body]), "after": put(all="${nodes.each}")}

    assert run(document(nodes, "start -> each -> after", **ITEMS), {"items": []}).output == {"all": []}


def test_a_loop_over_what_is_no_list_fails_and_says_so():
    nodes = {"start": START, "each": foreach("${input.items}"), "work": inside("each", put(x=1))}

    execution = run(document(nodes, "start -> each"), {"items": {"a": 1}})

    assert execution.status == "failed"
    assert execution.error["code"] == "items_not_a_list"
    assert execution.error["node"] == "each"


def test_a_body_is_a_graph_with_branches_joins_and_several_ends():
    #  check ─true─▶ large ─┐
    #      └─false─▶ small ─┴▶ both      note
    nodes = {
        "start": START,
        "each": foreach(),
        "check": inside("each", {"type": "control.if", "config": {"condition": "${item > 1}"}}),
        "large": inside("each", put(size="large")),
        "small": inside("each", put(size="small")),
        "both": inside("each", {"type": "control.merge", "config": {"mode": "first"}}),
        "note": inside("each", put(n="${item}")),
    }

    execution = run(
        document(nodes, "start -> each", "check:true -> large -> both", "check:false -> small -> both", **ITEMS), {"items": [1, 2]}
    )

    assert execution.output == [{"both": {"size": "small"}, "note": {"n": 1}}, {"both": {"size": "large"}, "note": {"n": 2}}]
    assert dict(NodeRun.objects.filter(execution=execution, path="0").values_list("key", "status"))["large"] == "skipped"


def test_nodes_inside_read_what_lies_upstream_of_the_loop_and_around_it():
    nodes = {
        "start": START,
        "before": put(factor=10),
        "outer": foreach("${input.rows}"),
        "row": inside("outer", put(base="${item.base}")),
        "inner": inside("outer", foreach("${item.numbers}")),
        "cell": inside("inner", put(value="${item * nodes.before.factor + nodes.row.base}", index="${index}")),
    }

    execution = run(
        document(nodes, "start -> before -> outer", "row -> inner"), {"rows": [{"base": 1, "numbers": [1, 2]}, {"base": 2, "numbers": [3]}]}
    )

    assert execution.error is None
    assert execution.output == [[{"value": 11, "index": 0}, {"value": 21, "index": 1}], [{"value": 32, "index": 0}]]


@pytest.mark.parametrize("work", [fails_at("item == 2"), call("tests.fails_at", item="${item}", bad=2)])
def test_the_first_failure_ends_the_loop_as_failed(work):
    nodes = {"start": START, "each": foreach(), "work": inside("each", work), "after": put(x=1)}

    execution = run(document(nodes, "start -> each -> after", **ITEMS), {"items": [1, 2, 3]})

    assert execution.status == "failed"
    assert execution.error["code"] == "iteration_failed"
    assert execution.error["details"]["index"] == 1
    assert execution.error["details"]["error"]["node"] == "work"
    assert iterations(execution) == [("0", "success"), ("1", "failed")]


@pytest.mark.parametrize("work", [fails_at("item == 2"), call("tests.fails_at", item="${item}", bad=2)])
def test_failures_are_collected_at_their_places(work):
    nodes = {"start": START, "each": foreach(on_failure="collect", parallel=2), "work": inside("each", work)}

    execution = run(document(nodes, "start -> each", **ITEMS), {"items": [1, 2, 3]})

    assert execution.status == "success"
    assert [isinstance(output, dict) and "error" in output for output in execution.output] == [False, True, False]
    assert execution.output[1]["error"]["node"] == "work"
    assert iterations(execution) == [("0", "success"), ("1", "failed"), ("2", "success")]


def test_a_failed_loop_takes_its_error_edge():
    nodes = {"start": START, "each": foreach(), "work": inside("each", fails_at("true")), "rescue": put(code="${nodes.each.error.code}")}

    execution = run(document(nodes, "start -> each", "each:error -> rescue", **ITEMS), {"items": [1]})

    assert (execution.status, execution.output) == ("success", {"code": "iteration_failed"})


def test_the_first_failure_cancels_what_else_waits_in_the_loop():
    nodes = {
        "start": START,
        "each": foreach(parallel=3),
        "check": inside("each", {"type": "control.if", "config": {"condition": "${item == 3}"}}),
        "wait": inside("each", waits()),
        "bad": inside("each", {"type": "control.fail", "config": {"message": "no"}}),
    }

    execution = run(document(nodes, "start -> each", "check:true -> bad", "check:false -> wait", **ITEMS), {"items": [1, 2, 3, 4]})

    assert (execution.status, execution.open_nodes) == ("failed", 0)
    assert iterations(execution) == [("0", "cancelled"), ("1", "cancelled"), ("2", "failed")]


def test_a_collected_failure_cancels_what_else_waits_in_its_iteration_alone():
    nodes = {
        "start": START,
        "each": foreach(parallel=2, on_failure="collect"),
        "work": inside("each", call("tests.fails_at", item="${item}", bad=1)),
        "wait": inside("each", waits()),
    }
    execution = run(document(nodes, "start -> each", **ITEMS), {"items": [1, 2]})

    waited = dict(NodeRun.objects.filter(execution=execution, key="wait").values_list("path", "status"))
    assert (execution.status, waited) == ("success", {"0": "cancelled", "1": "success"})


@pytest.mark.parametrize("body", [waits(1), call("tests.flaky", failures=1) | {"retry": {"max_attempts": 3, "delay_seconds": 1}}])
def test_nodes_inside_wait_and_are_tried_again(body):
    nodes = {"start": START, "each": foreach(parallel=2), "work": inside("each", body), "done": inside("each", put(item="${item}"))}

    execution = run(document(nodes, "start -> each", "work -> done", **ITEMS), {"items": [1, 2, 3, 4, 5]})

    assert execution.output == [{"item": i} for i in range(1, 6)]


def test_no_more_iterations_run_at_once_than_the_loop_allows():
    nodes = {"start": START, "each": foreach(parallel=3), "work": inside("each", call("tests.count"))}
    execution_id = start_execution(workflow=make_version(document(nodes, "start -> each", **ITEMS)).workflow, input={"items": [0] * 10})

    most = 0
    while step(execution_id.execution_id):
        most = max(most, NodeRun.objects.filter(execution_id=execution_id.execution_id, key="work").exclude(status="success").count())

    assert most == 3
    assert Execution.objects.get(id=execution_id.execution_id).status == "success"


def test_items_that_are_many_are_kept_in_the_object_store_once():
    nodes = {"start": START, "each": foreach(parallel=5), "work": inside("each", call("tests.double", number="${item.n}", at="${index}"))}
    items = [{"n": i, "text": "x" * 50_000} for i in range(30)]

    execution = run(document(nodes, "start -> each", **ITEMS), {"items": items})

    loop = LoopRun.objects.get(execution=execution)
    assert loop.items is None
    assert len(loop.blocks) > 1
    assert [output["double"] for output in execution.output] == [2 * i for i in range(30)]


def test_large_outputs_of_iterations_come_back_in_order():
    nodes = {
        "start": START,
        "each": foreach(),
        "work": inside("each", put(text="${input.text}", n="${item}")),
        "size": {"type": "data.transform", "config": {"expression": "$map($, function($v) {$v.n})", "input": "${nodes.each}"}},
    }

    execution = run(document(nodes, "start -> each -> size", **ITEMS), {"items": [1, 2, 3], "text": "x" * 100_000})

    assert execution.output == [1, 2, 3]
    assert NodeRun.objects.get(execution=execution, key="each").output_ref


def test_batches_hand_several_items_to_an_iteration():
    nodes = {"start": START, "each": foreach(batch=2), "work": inside("each", put(items="${item}"))}

    execution = run(document(nodes, "start -> each", **ITEMS), {"items": [1, 2, 3]})

    assert execution.output == [{"items": [1, 2]}, {"items": [3]}]


COUNTING = {"pure": put(n="${index == 0 ? 1 : item.n + 1}"), "external": call("tests.next", item="${item}")}


@pytest.mark.parametrize("body", COUNTING)
@pytest.mark.parametrize("delay_seconds", [0, 5])
def test_while_goes_on_until_its_condition_is_false(body, delay_seconds):
    config = {"condition": "${index == 0 || item.n < 4}", "max_iterations": 10, "delay_seconds": delay_seconds}
    nodes = {"start": START, "loop": {"type": "loop.while", "config": config}, "work": inside("loop", COUNTING[body])}

    execution = run(document(nodes, "start -> loop"))

    assert execution.error is None
    assert execution.output == {"count": 4, "last": {"n": 4}}


@pytest.mark.parametrize(("at_limit", "status"), [("fail", "failed"), ("end", "success")])
def test_while_ends_after_as_many_iterations_as_it_may_have(at_limit, status):
    config = {"condition": True, "max_iterations": 3, "at_limit": at_limit}
    nodes = {"start": START, "loop": {"type": "loop.while", "config": config}, "work": inside("loop", put(i="${index}"))}

    execution = run(document(nodes, "start -> loop"))

    assert execution.status == status
    assert len(iterations(execution, "loop")) == 3
    assert (execution.error or {}).get("code") == ("max_iterations" if status == "failed" else None)


def test_while_that_need_not_begin_ends_at_once():
    config = {"condition": False, "max_iterations": 3}
    nodes = {"start": START, "loop": {"type": "loop.while", "config": config}, "work": inside("loop", put(i="${index}"))}

    assert run(document(nodes, "start -> loop")).output == {"count": 0, "last": None}


def test_a_loop_that_takes_too_long_is_stopped_with_all_that_it_began():
    nodes = {"start": START, "each": foreach(parallel=2) | {"timeout_seconds": 60}, "work": inside("each", waits())}
    version = make_version(document(nodes, "start -> each", **ITEMS))
    execution_id = start_execution(workflow=version.workflow, input={"items": [1, 2, 3]}).execution_id
    step(execution_id)
    LoopRun.objects.update(deadline_at="2020-01-01T00:00Z")
    NodeRun.objects.filter(key="each").update(wake_at="2020-01-01T00:00Z")
    protocol.fetch("select count(*) as moved from sweep_wake_v1(500, interval '15 s')", {})

    execution = drive(execution_id)

    assert (execution.status, execution.error["code"], execution.error["node"]) == ("failed", "timeout", "each")
    assert iterations(execution) == [("0", "cancelled"), ("1", "cancelled")]


def test_a_disabled_loop_passes_its_input_on():
    nodes = {
        "start": START,
        "each": {**foreach(), "disabled": True},
        "work": inside("each", put(x=1)),
        "after": put(n="${nodes.each.items}"),
    }

    assert run(document(nodes, "start -> each -> after", **ITEMS), {"items": [1]}).output == {"n": [1]}


def begun_loop(**config: Any):
    nodes = {"start": START, "each": foreach(**config), "work": inside("each", call("tests.count")), "wait": inside("each", waits())}
    version = make_version(document(nodes, "start -> each", "work -> wait", **ITEMS))
    started = start_execution(workflow=version.workflow, input={"items": [1, 2, 3, 4]})
    step(started.execution_id)
    return started.execution_id


def test_cancel_ends_all_that_a_loop_began():
    execution_id = begun_loop(parallel=2)
    step(execution_id)

    assert cancel_execution(execution_id=execution_id) == "cancelled"
    assert Execution.objects.get(id=execution_id).open_nodes == 0


def test_pause_holds_a_loop_and_resume_goes_on_with_it():
    execution_id = begun_loop(parallel=2)
    functions.calls.clear()

    pause_execution(execution_id=execution_id)
    step(execution_id)
    assert functions.calls == []
    resume_execution(execution_id=execution_id)

    assert len(queued(execution_id)) == 2
    assert drive(execution_id).status == "success"
    assert len(functions.calls) == len(set(functions.calls)) == 4


def test_a_hundred_times_twenty_with_three_failures_are_found_and_keep_their_places():
    rows = [{"row": row, "cells": [{"n": row * 20 + cell} for cell in range(20)]} for row in range(100)]
    bad = {(3, 7), (50, 0), (99, 19)}
    nodes = {
        "start": START,
        "outer": foreach("${input.rows}", parallel=10),
        "inner": inside("outer", foreach("${item.cells}", on_failure="collect")),
        "cell": inside("inner", fails_at(" || ".join(f"item.n == {row * 20 + cell}" for row, cell in bad))),
    }

    execution = run(document(nodes, "start -> outer"), {"rows": rows})

    assert execution.status == "success"
    failed = Iteration.objects.filter(execution=execution, key="inner", status="failed")
    assert {tuple(map(int, path.split("."))) for path in failed.values_list("path", flat=True)} == bad
    outputs = NodeRun.objects.get(execution=execution, key="outer")
    assert outputs.status == "success"
    assert Iteration.objects.filter(execution=execution).count() == 100 + 2000
