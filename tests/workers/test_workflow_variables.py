"""Values that executions of a workflow leave behind for later ones."""

import pytest

from apps.executions.actions import start_execution
from apps.executions.models import WorkflowVariable
from tests.factories import make_version
from tests.workers.driving import drive
from tests.workers.test_runner import FAIL, START, document, put

pytestmark = pytest.mark.django_db(transaction=True)

COUNTED = "${has(workflow_vars.seen) ? workflow_vars.seen + 1 : 1}"


def keep(**variables):
    return {"type": "data.set", "config": {"workflow_variables": variables}}


def test_each_execution_goes_on_from_what_the_one_before_left_behind():
    nodes = {"start": START, "count": keep(seen=COUNTED), "after": put(seen="${workflow_vars.seen}")}
    workflow = make_version(document(nodes, "start -> count -> after")).workflow

    executions = [drive(start_execution(workflow=workflow).execution_id) for _ in range(3)]

    assert [execution.output for execution in executions] == [{"seen": 1}, {"seen": 2}, {"seen": 3}]
    kept = WorkflowVariable.objects.get()
    assert (kept.name, kept.value, kept.execution_id) == ("seen", 3, executions[2].id)


def test_what_was_written_is_read_after_a_wait_too():
    wait = {"type": "control.delay", "config": {"seconds": 60}}
    nodes = {"start": START, "count": keep(seen=COUNTED), "wait": wait, "after": put(seen="${workflow_vars.seen}")}
    execution = drive(start_execution(workflow=make_version(document(nodes, "start -> count -> wait -> after")).workflow).execution_id)
    assert execution.output == {"seen": 1}


def test_what_succeeded_before_a_failure_is_kept():
    workflow = make_version(document({"start": START, "count": keep(seen=7), "bad": FAIL}, "start -> count -> bad")).workflow
    assert drive(start_execution(workflow=workflow).execution_id).status == "failed"
    assert WorkflowVariable.objects.get().value == 7


def test_workflows_do_not_see_each_others_variables():
    first = make_version(document({"start": START, "count": keep(seen=1)}, "start -> count")).workflow
    second = make_version(document({"start": START, "read": put(x="${has(workflow_vars.seen)}")}, "start -> read")).workflow
    drive(start_execution(workflow=first).execution_id)
    assert drive(start_execution(workflow=second).execution_id).output == {"x": False}
