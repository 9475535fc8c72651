"""What a failed or cancelled execution has done is undone, by an execution of its own."""

from typing import Any
from uuid import UUID

import pytest

from apps.executions.actions import cancel_execution, resolve_uncertain, start_execution
from apps.executions.models import Ending, Execution, FollowUp, NodeRun
from apps.workflows.models import WorkflowVersion
from tests.factories import make_version
from tests.workers import functions
from tests.workers.driving import drive, statuses, step
from tests.workers.test_runner import FAIL, START, document, put
from workers import aftermath

pytestmark = pytest.mark.django_db(transaction=True)

COUNT = {"type": "function", "config": {"function": "tests.count", "arguments": {}}}
EXTERNAL = {"type": "function", "config": {"function": "tests.effect", "arguments": {}}}
WAIT = {"type": "control.delay", "config": {"seconds": 3600}}


def undone_by(key: str, node: dict[str, Any] | None = None) -> dict[str, Any]:
    return {**(node or put(did=key)), "compensate": key}


def booking(last: dict[str, Any], **undo: dict[str, Any]) -> WorkflowVersion:
    """start ▶ one ▶ two ▶ three ▶ last, where what the first three do is undone by nodes of their own."""
    undo_nodes = {
        "undo_one": put(of="${nodes.one.did}", amount="${amount}"),
        "undo_two": put(of="${nodes.two.did}"),
        "undo_three": put(of="${nodes.three.did}", before="${nodes.two.did}"),
    } | undo
    steps = {key: undone_by(f"undo_{key}") for key in ("one", "two", "three")}
    lines = "start -> one -> two -> three -> last"
    return make_version(document({"start": START, **steps, "last": last, **undo_nodes}, lines, inputs={"amount": "number"}))


def ended(version: WorkflowVersion) -> Execution:
    return drive(start_execution(workflow=version.workflow, input={"amount": 7}).execution_id)


def compensation_of(execution: Execution) -> FollowUp:
    return FollowUp.objects.get(origin=execution, kind="compensation")


def settle_all(execution: Execution) -> Execution:
    """Let all that follows happen; returns the execution that undoes."""
    while aftermath.follow_up():
        for follow_up in FollowUp.objects.filter(execution__isnull=False):
            drive(follow_up.execution_id)
    return compensation_of(execution).execution


def ran(execution_id: UUID) -> list[str]:
    """Keys of undo nodes in the order in which they ran."""
    return list(NodeRun.objects.filter(execution_id=execution_id, key__startswith="undo").order_by("id").values_list("key", flat=True))


def test_what_a_failed_execution_did_is_undone_in_reverse_by_a_linked_execution():
    execution = ended(booking(FAIL))
    assert execution.status == "failed"
    assert set(statuses(execution.id)) == {"start", "one", "two", "three", "last"}, "no undo node runs in the graph itself"

    undoing = settle_all(execution)

    assert (undoing.status, undoing.trigger, undoing.input) == ("success", "compensation", {"amount": 7})
    assert ran(undoing.id) == ["undo_three", "undo_two", "undo_one"]
    outputs = dict(NodeRun.objects.filter(execution=undoing).values_list("key", "output"))
    assert outputs["undo_three"] == {"of": "undo_three", "before": "undo_two"}
    assert outputs["undo_one"] == {"of": "undo_one", "amount": 7}
    assert Execution.objects.get(pk=execution.pk).status == "failed", "what has ended stays ended"
    assert not Ending.objects.exists()


def test_what_has_not_run_is_not_undone():
    steps = {"start": START, "one": undone_by("undo_one"), "bad": FAIL, "two": undone_by("undo_two")}
    version = make_version(document({**steps, "undo_one": put(x=1), "undo_two": put(x=2)}, "start -> one -> bad -> two"))
    undoing = settle_all(ended(version))
    assert ran(undoing.id) == ["undo_one"]


def test_nothing_follows_from_success_and_nothing_is_written_down():
    execution = ended(booking(put(x=1)))
    assert execution.status == "success"
    assert execution.output == {"x": 1}, "an undo node is no end of the graph"
    assert not Ending.objects.exists()
    assert aftermath.follow_up() == 0


def test_a_cancelled_execution_is_undone_too():
    started = start_execution(workflow=booking(WAIT).workflow, input={"amount": 7}).execution_id
    step(started)
    assert cancel_execution(execution_id=started) == "cancelled"

    undoing = settle_all(Execution.objects.get(pk=started))

    assert ran(undoing.id) == ["undo_three", "undo_two", "undo_one"]
    assert undoing.status == "success"


def test_the_rest_is_undone_when_one_cannot_be_and_the_compensation_says_so():
    execution = ended(booking(FAIL, undo_two={**FAIL, "retry": {"max_attempts": 2}}))

    undoing = settle_all(execution)

    found = statuses(undoing.id)
    assert (found["undo_three"], found["undo_two"], found["undo_one"]) == ("success", "failed", "success")
    assert (undoing.status, undoing.error["code"]) == ("failed", "compensation_incomplete")


@pytest.mark.parametrize("bad", ["undo_three", "undo_one"])
def test_a_failure_at_either_end_of_the_chain_is_told_as_well(bad):
    undoing = settle_all(ended(booking(FAIL, **{bad: FAIL})))
    assert (undoing.status, undoing.error["code"]) == ("failed", "compensation_incomplete")
    assert len(ran(undoing.id)) == 3


def test_a_single_undo_node_that_fails_fails_its_execution():
    version = make_version(
        document({"start": START, "one": undone_by("undo"), "bad": FAIL, "undo": FAIL}, "start -> one -> bad"),
    )
    assert settle_all(ended(version)).error["code"] == "compensation_incomplete"


def test_undo_nodes_wait_and_are_tried_again_like_any_other():
    functions.calls.clear()
    flaky = {"type": "function", "config": {"function": "tests.flaky", "arguments": {"failures": 2}}, "retry": {"max_attempts": 3}}
    undoing = settle_all(ended(booking(FAIL, undo_three=flaky, undo_two=WAIT, undo_one=COUNT)))
    assert undoing.status == "success"
    assert NodeRun.objects.get(execution=undoing, key="undo_three").attempt == 3
    assert len(functions.calls) == 1


def test_after_an_uncertain_undo_node_was_decided_the_rest_is_undone():
    execution = ended(booking(FAIL, undo_three=EXTERNAL))
    aftermath.follow_up()
    undoing = compensation_of(execution).execution
    NodeRun.objects.filter(execution=undoing, key="undo_three").update(status="uncertain", due_at=None)

    resolve_uncertain(
        node_run_id=NodeRun.objects.get(execution=undoing, key="undo_three").id, decision="failed", message="the bank said no"
    )

    undoing = drive(undoing.id)
    assert ran(undoing.id) == ["undo_three", "undo_two", "undo_one"]
    assert undoing.status == "failed"


def test_a_disabled_node_has_done_nothing_that_could_be_undone():
    version = make_version(
        document(
            {"start": START, "off": {**undone_by("undo_off"), "disabled": True}, "bad": FAIL, "undo_off": put(x=1)}, "start -> off -> bad"
        )
    )
    aftermath_of = ended(version)
    aftermath.follow_up()
    assert not FollowUp.objects.filter(origin=aftermath_of).exists()


def test_parallel_branches_are_undone_in_the_reverse_of_the_order_in_which_they_settled():
    #  start ─┬▶ slow (waits) ─▶ a ─┐
    #         └▶ b ─────────────────┴▶ bad
    nodes = {
        "start": START,
        "slow": WAIT,
        "a": undone_by("undo_a"),
        "b": undone_by("undo_b"),
        "bad": FAIL,
        "undo_a": put(x=1),
        "undo_b": put(x=2),
    }
    version = make_version(document(nodes, "start -> slow -> a -> bad", "start -> b -> bad"))
    assert ran(settle_all(ended(version)).id) == ["undo_a", "undo_b"]
