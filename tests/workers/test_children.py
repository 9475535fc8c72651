"""Workflows that call workflows, run by the real runner on a real PostgreSQL."""

from typing import Any

import pytest

from apps.executions.actions import cancel_execution, start_execution
from apps.executions.admission import admit
from apps.executions.connection import fetch
from apps.executions.models import Execution, ExecutionLimit, NodeRun
from apps.workflows.models import Workflow, WorkflowVersion
from tests.factories import make_version
from tests.workers import functions
from tests.workers.driving import statuses, step, wake_now
from tests.workers.test_loops import call, foreach, inside, waits
from tests.workers.test_runner import FAIL, START, document, put

pytestmark = pytest.mark.django_db(transaction=True)


def calling(called: WorkflowVersion, **config: Any) -> dict[str, Any]:
    return {"type": "workflow.call", "config": {"workflow": str(called.workflow_id), **config}}


def child(*nodes: dict[str, Any], **rest: Any) -> WorkflowVersion:
    keys = [f"n{number}" for number in range(len(nodes))]
    return make_version(document({"start": START, **dict(zip(keys, nodes, strict=True))}, " -> ".join(["start", *keys]), **rest))


def parent(node: dict[str, Any], *lines: str, **nodes: Any) -> WorkflowVersion:
    return make_version(document({"start": START, "call": node, **nodes}, "start -> call", *lines))


def drive_all(version: WorkflowVersion, input: dict[str, Any] | None = None) -> Execution:
    """Start it, and run it and whatever it starts, until nothing moves any more."""
    execution_id = start_execution(workflow=version.workflow, input=input or {}).execution_id
    settle_all()
    return Execution.objects.get(id=execution_id)


def settle_all() -> None:
    for _ in range(200):
        open_ids = Execution.objects.exclude(status__in=["success", "failed", "cancelled"]).values_list("id", flat=True)
        if not sum([step(execution_id) for execution_id in open_ids]):
            return
    raise AssertionError("it goes on for ever")


def begun(version: WorkflowVersion) -> Any:
    """Id of an execution whose first nodes have run, the call among them."""
    execution_id = start_execution(workflow=version.workflow).execution_id
    step(execution_id)
    step(execution_id)
    return execution_id


def sweep_children() -> list[Any]:
    return fetch("select * from sweep_children_v1(100)", {})


def test_a_child_is_started_with_an_input_and_its_output_is_that_of_the_node():
    called = child(put(twice="${amount * 2}"), inputs={"amount": "number"}, output={"twice": "${nodes.n0.twice}"})

    execution = drive_all(
        parent(calling(called, input={"amount": "${input.n}"}), "call -> after", after=put(got="${nodes.call.twice}")), {"n": 4}
    )

    assert (execution.error, execution.output) == (None, {"got": 8})
    started = Execution.objects.get(workflow=called.workflow)
    assert (started.trigger, started.depth, started.parent_node_run.key) == ("workflow", 1, "call")
    assert started.parent_node_run.execution_id == execution.id


def test_a_waiting_node_holds_no_worker():
    execution_id = begun(parent(calling(child(waits()))))

    waiting = NodeRun.objects.get(execution_id=execution_id, key="call")
    assert (waiting.status, waiting.lease_until) == ("waiting", None)


def test_a_node_that_does_not_wait_is_done_at_once_and_the_child_lives_on():
    called = child(waits())

    execution_id = begun(parent(calling(called, wait=False)))

    execution, started = Execution.objects.get(id=execution_id), Execution.objects.get(workflow=called.workflow)
    assert (execution.status, execution.output) == ("success", {"execution": str(started.id)})
    assert sweep_children() == []
    assert started.status == "running"


def test_a_pinned_version_is_started_and_else_the_published_one():
    called = child(put(v=1))
    definition = document({"start": START, "n0": put(v=2)}, "start -> n0")
    newer = WorkflowVersion.objects.create(
        workspace=called.workspace, workflow=called.workflow, number=2, definition=definition, content_hash="2", start=called.start
    )
    Workflow.objects.filter(pk=called.workflow_id).update(published_version=newer)

    assert drive_all(parent(calling(called, version=1))).output == {"v": 1}
    assert drive_all(parent(calling(called))).output == {"v": 2}


@pytest.mark.parametrize("caught", [False, True])
def test_a_failed_child_fails_the_node_with_its_error(caught):
    lines = ["call:error -> after"] if caught else ["call -> after"]

    execution = drive_all(parent(calling(child(FAIL)), *lines, after=put(code="${nodes.call.?error.code.orValue('')}")))

    error = NodeRun.objects.get(execution=execution, key="call").error
    assert (error["code"], error["details"]["error"]["code"]) == ("child_failed", "broken")
    assert execution.status == ("success" if caught else "failed")


def test_a_cancelled_child_fails_the_node():
    called = child(waits())
    execution_id = begun(parent(calling(called)))

    cancel_execution(execution_id=Execution.objects.get(workflow=called.workflow).id)
    settle_all()

    execution = Execution.objects.get(id=execution_id)
    assert (execution.status, execution.error["code"]) == ("failed", "child_cancelled")


def test_cancelling_the_parent_cancels_its_children_and_theirs():
    innermost = child(waits())
    middle = child(calling(innermost))
    execution_id = begun(parent(calling(middle)))
    for _ in range(2):
        step(Execution.objects.get(workflow=middle.workflow).id)

    cancel_execution(execution_id=execution_id)
    while sweep_children():
        pass

    assert set(Execution.objects.values_list("status", flat=True)) == {"cancelled"}
    assert Execution.objects.count() == 3


def test_each_attempt_starts_a_child_of_its_own_and_a_repeated_settlement_none():
    called = child(call("tests.count"), FAIL)
    functions.calls.clear()

    execution = drive_all(parent(calling(called) | {"retry": {"max_attempts": 3, "delay_seconds": 1}}))

    assert execution.status == "failed"
    assert list(Execution.objects.filter(workflow=called.workflow).order_by("id").values_list("parent_try", flat=True)) == [1, 2, 3]
    assert len(functions.calls) == 3


def test_a_child_that_takes_too_long_fails_the_node_and_is_cancelled():
    called = child(waits(), waits())
    version = parent(calling(called) | {"timeout_seconds": 5})
    execution_id = begun(version)
    wake_now(execution_id)
    step(execution_id)

    assert Execution.objects.get(id=execution_id).error["code"] == "timeout"
    sweep_children()
    assert Execution.objects.get(workflow=called.workflow).status == "cancelled"


def test_workflows_call_each_other_at_most_ten_deep():
    version = make_version(document({"start": START, "call": put(x=1)}, "start -> call"))
    itself = document({"start": START, "call": calling(version)}, "start -> call")
    WorkflowVersion.objects.filter(pk=version.pk).update(definition=itself)

    execution = drive_all(version)

    assert execution.status == "failed"
    assert Execution.objects.count() == 11
    deepest = NodeRun.objects.get(execution__depth=10, key="call")
    assert deepest.error["code"] == "too_deep"


@pytest.mark.parametrize("change", [{"archived_at": "2020-01-01T00:00Z"}, {"published_version": None}])
def test_a_workflow_that_cannot_be_started_fails_the_node(change):
    called = child(put(x=1))
    Workflow.objects.filter(pk=called.workflow_id).update(**change)

    assert drive_all(parent(calling(called))).error["code"] == "child_not_startable"


def test_a_workflow_of_another_workspace_is_not_there():
    called = make_version(username="bob")

    assert drive_all(parent(calling(called))).error["code"] == "child_not_startable"


def test_an_input_that_does_not_fit_fails_the_node():
    called = child(put(x=1), inputs={"amount": "number"})

    assert drive_all(parent(calling(called, input={"amount": "much"}))).error["code"] == "invalid_input"


def test_children_are_started_in_loops():
    called = child(put(twice="${amount * 2}"), inputs={"amount": "number"}, output={"twice": "${nodes.n0.twice}"})
    nodes = {
        "start": START,
        "each": foreach("${input.items}", parallel=2),
        "call": inside("each", calling(called, input={"amount": "${item}"})),
    }

    execution = drive_all(make_version(document(nodes, "start -> each")), {"items": [1, 2, 3]})

    assert execution.output == [{"twice": 2}, {"twice": 4}, {"twice": 6}]
    assert statuses(execution.id)["each"] == "success"


def test_a_child_stands_in_line_for_the_limit_of_its_own_workflow():
    called = child(waits(), settings={"max_concurrency": 1})
    calls = parent(calling(called))
    first, second = begun(calls), begun(calls)
    admit()

    children = Execution.objects.filter(workflow=called.workflow).order_by("created_at")
    assert [(one.parent_node_run.execution_id, one.status) for one in children] == [(first, "running"), (second, "pending")]

    while step(children[0].id):
        wake_now(children[0].id)
    admit()
    assert [one.status for one in children.all()] == ["success", "running"]


def test_a_child_does_not_wait_for_a_slot_that_its_parent_keeps():
    called = child(put(x=1))
    calls = parent(calling(called))
    ExecutionLimit.objects.create(kind="workspace", workspace=calls.workspace, max_running=1)

    started = start_execution(workflow=calls.workflow).execution_id
    admit()
    settle_all()

    assert Execution.objects.get(id=started).status == "success"
