"""Which of several triggers begins."""

import pytest

from apps.executions.actions import start_execution
from apps.executions.models import NodeRun
from apps.nodes.triggering import TRIGGER
from tests.factories import make_version
from tests.workers.driving import drive
from tests.workers.test_runner import document, put

pytestmark = pytest.mark.django_db(transaction=True)
BY_HAND, BY_CALL, BY_EVENT = {"type": "trigger.manual"}, {"type": "trigger.webhook"}, {"type": "trigger.event", "config": {"types": ["a"]}}


@pytest.mark.parametrize(
    ("start", "input", "begins"),
    [
        (BY_HAND, {}, {"start", "one"}),
        (BY_HAND, {TRIGGER: "call"}, {"call", "two"}),
        (BY_HAND, {TRIGGER: "start"}, {"start", "one"}),
        (BY_EVENT, {TRIGGER: "call"}, {"call", "two"}),
        (BY_EVENT, {TRIGGER: "start"}, {"start", "one"}),
        # By hand, though no node is for that: what a test run does with the input of a call.
        (BY_EVENT, {}, {"start", "one", "call", "two"}),
    ],
)
def test_what_stands_behind_the_other_triggers_is_skipped(start, input, begins):
    nodes = {"start": start, "one": put(x=1), "call": BY_CALL, "two": put(x=2)}
    version = make_version(document(nodes, "start -> one", "call -> two"))
    execution = drive(start_execution(workflow=version.workflow, input=input).execution_id)
    assert execution.status == "success"
    ran = NodeRun.objects.filter(execution=execution, status="success").exclude(key__startswith="$").exclude(port="not_meant")
    assert set(ran.values_list("key", flat=True)) == begins
