"""Nodes that run too long, are cancelled, or fail for a while."""

import threading

import pytest

from apps.executions.actions import cancel_execution, start_execution
from apps.executions.models import Execution, NodeRun
from tests.factories import make_version
from tests.workers import functions
from tests.workers.driving import drive, statuses, step
from tests.workers.test_runner import START, document

pytestmark = pytest.mark.django_db(transaction=True)


def work(function: str, arguments: dict | None = None, **node):
    return {"type": "function", "config": {"function": function, "arguments": arguments or {}}, **node}


def start(node) -> object:
    version = make_version(document({"start": START, "work": node}, "start -> work"))
    execution_id = start_execution(workflow=version.workflow).execution_id
    step(execution_id)
    return execution_id


@pytest.mark.parametrize(("failures", "status", "attempt"), [(0, "success", 1), (2, "success", 3), (3, "failed", 3)])
def test_a_failed_node_is_tried_again_as_often_as_its_policy_says(failures, status, attempt):
    retry = {"max_attempts": 3, "strategy": "exponential", "delay_seconds": 60}
    execution_id = start(work("tests.flaky", {"failures": failures}, retry=retry))

    execution = drive(execution_id)

    node_run = NodeRun.objects.get(execution_id=execution_id, key="work")
    assert (execution.status, node_run.status, node_run.attempt) == (status, status, attempt)


def test_every_failed_attempt_stays_in_the_history():
    execution_id = start(work("tests.flaky", {"failures": 2}, retry={"max_attempts": 3}))
    drive(execution_id)

    changes = [change for event in Execution.objects.get(id=execution_id).events.order_by("sequence") for change in event.changes]
    tries = [(change["attempt"], change["status"]) for change in changes if change["key"] == "work" and change["status"] != "queued"]
    assert tries == [(1, "retrying"), (2, "retrying"), (3, "success")]


def test_errors_that_the_policy_does_not_name_are_not_tried_again():
    execution_id = start(work("tests.flaky", {"failures": 1}, retry={"max_attempts": 3, "on": ["timeout"]}))

    assert drive(execution_id).status == "failed"
    assert NodeRun.objects.get(execution_id=execution_id, key="work").attempt == 1


def test_a_node_that_runs_too_long_fails_with_timeout():
    execution_id = start(work("tests.endless", timeout_seconds=0.3))

    execution = drive(execution_id)

    assert execution.status == "failed"
    assert execution.error["code"] == "timeout"


def test_cancelling_reaches_a_running_node():
    execution_id = start(work("tests.endless"))
    functions.entered.clear()
    runner = threading.Thread(target=step, args=(execution_id,))
    runner.start()
    assert functions.entered.wait(10)

    assert cancel_execution(execution_id=execution_id) == "cancelling"
    runner.join(20)

    assert not runner.is_alive()
    assert statuses(execution_id)["work"] == "cancelled"
    assert Execution.objects.get(id=execution_id).status == "cancelled"
