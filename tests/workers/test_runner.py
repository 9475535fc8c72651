"""Whole executions, run by the real runner on a real PostgreSQL."""

from itertools import pairwise
from typing import Any

import pytest
from psycopg_pool import PoolTimeout

from apps.executions import protocol
from apps.executions.actions import cancel_execution, pause_execution, resume_execution, start_execution
from apps.executions.models import Execution, NodeRun
from tests.factories import make_version
from tests.workers.driving import drive, queued, statuses, step

pytestmark = pytest.mark.django_db(transaction=True)

FAIL = {"type": "control.fail", "config": {"message": "no", "code": "broken"}}


def document(nodes: dict[str, Any], *lines: str, **rest: Any) -> dict[str, Any]:
    """A definition: nodes by key, and edges as `a:port -> b`."""
    edges = []
    for line in lines:
        stops = [stop.strip().partition(":") for stop in line.split("->")]
        edges += [{"source": a, "port": port or "out", "target": b} for (a, _, port), (b, _, _) in pairwise(stops)]
    return {"name": "test", "nodes": [{"key": key, **node} for key, node in nodes.items()], "edges": edges, **rest}


def put(**values: Any) -> dict[str, Any]:
    return {"type": "data.set", "config": {"values": values}}


START = {"type": "trigger.manual"}
IF_LARGE = {"type": "control.if", "config": {"condition": "${amount > 1000}"}}


def run(definition: dict[str, Any], input: dict[str, Any] | None = None) -> Execution:
    version = make_version(definition)
    started = start_execution(workflow=version.workflow, input=input or {})
    return drive(started.execution_id)


def test_a_chain_hands_values_from_node_to_node():
    definition = document(
        {"start": START, "double": put(value="${amount * 2}"), "text": put(line="twice is ${nodes.double.value}")},
        "start -> double -> text",
        inputs={"amount": "number"},
        output={"line": "${nodes.text.line}", "half": "${nodes.double.value / 4}"},
    )

    execution = run(definition, {"amount": 21})

    assert execution.status == "success"
    assert execution.output == {"line": "twice is 42", "half": 10.5}


@pytest.mark.parametrize(("amount", "taken", "skipped"), [(2000, "review", "approve"), (1000, "approve", "review")])
def test_a_condition_takes_one_way_and_the_other_is_skipped(amount, taken, skipped):
    #  start ─▶ large? ─true─▶ review ──┐
    #                  └false▶ approve ─┴▶ report
    definition = document(
        {"start": START, "large": IF_LARGE, "review": put(by="manager"), "approve": put(by="rule"), "report": {"type": "control.merge"}},
        "start -> large:true -> review -> report",
        "large:false -> approve -> report",
        inputs={"amount": "number"},
    )

    execution = run(definition, {"amount": amount})

    found = statuses(execution.id)
    assert (found[taken], found[skipped], found["report"]) == ("success", "skipped", "success")
    assert list(execution.output) == [taken]


def test_a_pure_workflow_is_settled_in_one_piece():
    definition = document({"start": START, **{f"n{i}": put(i=i) for i in range(30)}}, "start -> " + " -> ".join(f"n{i}" for i in range(30)))
    version = make_version(definition)
    started = start_execution(workflow=version.workflow)

    assert step(started.execution_id) == 1

    execution = Execution.objects.get(id=started.execution_id)
    assert execution.status == "success"
    assert execution.events.count() == 2


def test_a_failure_fails_the_execution_and_says_where():
    execution = run(document({"start": START, "bad": FAIL, "after": put(x=1)}, "start -> bad -> after"))

    assert execution.status == "failed"
    assert execution.error["code"] == "broken"
    assert execution.error["node"] == "bad"
    assert statuses(execution.id)["bad"] == "failed"


@pytest.mark.parametrize(
    ("on_error", "bad", "after", "output"),
    [
        ("continue", "failed", "success", "broken"),
        ("skip", "skipped", "skipped", None),
        ({"default": {"error": {"code": "instead"}}}, "failed", "success", "instead"),
    ],
)
def test_error_strategies(on_error, bad, after, output):
    nodes = {"start": START, "bad": {**FAIL, "on_error": on_error}, "after": put(code="${nodes.bad.error.code}")}

    execution = run(document(nodes, "start -> bad -> after", output={"code": "${has(nodes.after.code) ? nodes.after.code : null}"}))

    found = statuses(execution.id)
    assert (execution.status, found["bad"], found["after"]) == ("success", bad, after)
    assert execution.output == {"code": output}


def test_an_error_branch_catches_the_error():
    nodes = {"start": START, "bad": FAIL, "after": put(x=1), "rescue": put(reason="${nodes.bad.error.message}")}

    execution = run(document(nodes, "start -> bad -> after", "bad:error -> rescue", output={"reason": "${nodes.rescue.reason}"}))

    assert execution.status == "success"
    assert statuses(execution.id)["after"] == "skipped"
    assert execution.output == {"reason": "no"}


def test_a_disabled_node_passes_its_input_on():
    nodes = {"start": START, "off": {**FAIL, "disabled": True}, "after": put(amount="${nodes.off.amount}")}

    execution = run(document(nodes, "start -> off -> after"), {"amount": 7})

    assert execution.output == {"amount": 7}


def test_a_delay_holds_no_worker_and_goes_on_when_its_time_has_come():
    nodes = {"start": START, "wait": {"type": "control.delay", "config": {"seconds": 3600}}, "after": put(x=1)}
    version = make_version(document(nodes, "start -> wait -> after"))
    started = start_execution(workflow=version.workflow)

    step(started.execution_id)
    assert statuses(started.execution_id) == {"start": "success", "wait": "waiting"}

    assert drive(started.execution_id).status == "success"


def test_pause_lets_nothing_begin_and_resume_goes_on():
    version = make_version(document({"start": START, "after": put(x=1)}, "start -> after"))
    started = start_execution(workflow=version.workflow)

    assert pause_execution(execution_id=started.execution_id) == "paused"
    step(started.execution_id)
    assert statuses(started.execution_id) == {"start": "queued"}

    assert resume_execution(execution_id=started.execution_id) == "running"
    assert drive(started.execution_id).status == "success"


def test_cancel_ends_what_waits():
    nodes = {"start": START, "wait": {"type": "control.delay", "config": {"seconds": 3600}}}
    version = make_version(document(nodes, "start -> wait"))
    started = start_execution(workflow=version.workflow)
    step(started.execution_id)

    assert cancel_execution(execution_id=started.execution_id) == "cancelled"

    execution = Execution.objects.get(id=started.execution_id)
    assert (execution.status, execution.open_nodes) == ("cancelled", 0)
    assert queued(started.execution_id) == []


def test_variables_written_by_a_node_are_read_by_later_ones():
    nodes = {
        "start": START,
        "count": {"type": "data.set", "config": {"values": {}, "variables": {"seen": "${vars.seen + 1}"}}},
        "wait": {"type": "control.delay", "config": {"seconds": 60}},
        "after": put(seen="${seen}"),
    }

    execution = run(document(nodes, "start -> count -> wait -> after", variables={"seen": 1}))

    assert execution.output == {"seen": 2}
    assert execution.variables == {"seen": 2}


def test_an_expression_that_fails_fails_its_node_alone():
    nodes = {"start": START, "bad": {**put(x="${amount / zero}"), "on_error": "continue"}, "after": put(code="${nodes.bad.error.code}")}

    execution = run(document(nodes, "start -> bad -> after", inputs={"amount": "number", "zero": "array"}), {"amount": 1, "zero": []})

    assert execution.output == {"code": "expression_failed"}


def test_a_large_output_goes_to_the_object_store_and_comes_back():
    nodes = {
        "start": START,
        "wait": {"type": "control.delay", "config": {"seconds": 1}},
        "copy": put(text="${nodes.start.text}"),
        "size": {"type": "data.transform", "config": {"expression": "{'size': $length(text)}", "input": "${nodes.copy}"}},
    }

    execution = run(document(nodes, "start -> copy -> wait -> size"), {"text": "x" * 1_000_000})

    copy = NodeRun.objects.get(execution_id=execution.id, key="copy")
    assert execution.error is None
    assert execution.output == {"size": 1_000_000}
    assert copy.output is None
    assert copy.output_ref


@pytest.mark.parametrize(
    ("join", "passing", "expected"),
    [
        ("any", 1, "success"),
        ("any", 0, "skipped"),
        ({"at_least": 2}, 2, "success"),
        ({"at_least": 2}, 1, "skipped"),
        ("all_settled", 0, "success"),
    ],
)
def test_joins(join, passing, expected):
    #  start ─▶ c0, c1, c2 (the first `passing` go by `true`) ─▶ end
    checks = {f"c{i}": {"type": "control.if", "config": {"condition": i < passing}} for i in range(3)}
    nodes = {"start": START, **checks, "end": {"type": "control.merge", "join": join}}

    execution = run(document(nodes, *[f"start -> c{i}:true -> end" for i in range(3)]))

    assert execution.status == "success"
    assert statuses(execution.id)["end"] == expected


def test_a_message_is_dropped_while_postgresql_does_not_answer(monkeypatch):
    def no_answer(**_):
        raise PoolTimeout

    execution_id = start_execution(workflow=make_version(document({"start": START})).workflow).execution_id
    monkeypatch.setattr(protocol, "claim", no_answer)

    step(execution_id)

    assert statuses(execution_id) == {"start": "queued"}
