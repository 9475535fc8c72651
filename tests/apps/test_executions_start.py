"""Starts are accepted as a whole, once, and with the caller's transaction."""

import pytest
from django.db import OperationalError, connection, transaction

from apps.engine.json_values import InvalidJsonError
from apps.executions.actions import (
    InvalidInputError,
    Start,
    TooManyStartsError,
    WorkflowNotPublishedError,
    WrongStatusError,
    cancel_execution,
    pause_execution,
    resume_execution,
    start_execution,
    start_executions,
)
from apps.executions.models import Execution
from apps.workflows.favourites import WorkflowArchivedError, archive_workflow, unarchive_workflow
from tests.factories import make_version
from tests.workers.driving import drive

pytestmark = pytest.mark.django_db(transaction=True)

ORDER = {
    "name": "order",
    "inputs": {"amount": "number"},
    "variables": {"limit": 1000},
    "nodes": [{"key": "start", "type": "trigger.manual"}],
    "output": {"large": "${amount > limit}"},
}


@pytest.fixture
def workflow():
    return make_version(ORDER).workflow


def test_a_start_is_accepted_with_its_first_node_queued(workflow):
    started = start_execution(workflow=workflow, input={"amount": 5}, business_key="ORDER-001")

    execution = Execution.objects.get(id=started.execution_id)
    assert (execution.status, execution.open_nodes, execution.business_key) == ("running", 1, "ORDER-001")
    assert list(execution.node_runs.values_list("key", "status")) == [("start", "queued")]


def test_an_archived_workflow_starts_nothing_from_sql_either(workflow):
    archive_workflow(workflow=workflow)
    with pytest.raises(WorkflowArchivedError):
        start_execution(workflow=workflow, input={"amount": 5})
    with pytest.raises(OperationalError, match="is archived"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("select structforge_start(%s, '{\"amount\": 5}')", [workflow.id])
    unarchive_workflow(workflow=workflow)
    with connection.cursor() as cursor:
        cursor.execute("select structforge_start(%s, '{\"amount\": 5}')", [workflow.id])
    assert Execution.objects.count() == 1


def test_a_start_goes_with_the_transaction_that_it_was_made_in(workflow):
    with transaction.atomic():
        start_execution(workflow=workflow, input={"amount": 5})
        transaction.set_rollback(True)

    assert not Execution.objects.exists()


def test_the_same_idempotency_key_starts_once(workflow):
    first = start_execution(workflow=workflow, input={"amount": 5}, idempotency_key="a")
    second = start_execution(workflow=workflow, input={"amount": 5}, idempotency_key="a")

    assert (first.created, second.created) == (True, False)
    assert first.execution_id == second.execution_id


def test_twins_in_one_bulk_start_are_one_execution(workflow):
    started = start_executions(workflow=workflow, starts=[Start({"amount": 1}, "", key) for key in ("a", "b", "a")])

    assert started[0].execution_id == started[2].execution_id != started[1].execution_id
    assert Execution.objects.count() == 2


def test_an_input_that_does_not_fit_starts_nothing(workflow):
    with pytest.raises(InvalidInputError) as caught:
        start_executions(workflow=workflow, starts=[Start({"amount": 1}), Start({"amount": "much"})])

    assert caught.value.details["start"] == 1
    assert caught.value.details["errors"][0]["pointer"] == "/amount"
    assert not Execution.objects.exists()


@pytest.mark.parametrize("value", [float("nan"), "nul \x00", 2**80])
def test_an_input_that_is_not_json_starts_nothing(workflow, value):
    with pytest.raises(InvalidJsonError):
        start_execution(workflow=workflow, input={"amount": 1, "more": value})

    assert not Execution.objects.exists()


def test_too_many_starts_at_once_are_refused(workflow):
    with pytest.raises(TooManyStartsError):
        start_executions(workflow=workflow, starts=[Start({"amount": 1})] * 1001)


def test_an_unpublished_workflow_starts_only_by_version():
    version = make_version(ORDER, is_published=False)

    with pytest.raises(WorkflowNotPublishedError):
        start_execution(workflow=version.workflow, input={"amount": 1})

    assert start_execution(workflow=version.workflow, version=version, input={"amount": 1}).created


def test_a_start_from_sql_runs_like_any_other(workflow):
    with connection.cursor() as cursor:
        cursor.execute("select structforge_start(%s, %s::jsonb, 'key')", [workflow.id, '{"amount": 2000}'])
        execution_id = cursor.fetchone()[0]
        cursor.execute("select structforge_start(%s, %s::jsonb, 'key')", [workflow.id, '{"amount": 2000}'])
        assert cursor.fetchone()[0] == execution_id

    execution = drive(execution_id)
    assert (execution.status, execution.trigger, execution.output) == ("success", "sql", {"large": True})


def test_a_start_from_sql_with_a_wrong_input_fails_with_the_reason(workflow):
    with connection.cursor() as cursor:
        cursor.execute("select structforge_start(%s, '{}')", [workflow.id])
        execution = drive(cursor.fetchone()[0])

    assert (execution.status, execution.error["code"]) == ("failed", "invalid_input")


def test_a_start_from_sql_of_an_unpublished_workflow_is_refused():
    version = make_version(ORDER, is_published=False)

    with pytest.raises(Exception, match="no published version"), connection.cursor() as cursor:
        cursor.execute("select structforge_start(%s, '{}')", [version.workflow_id])


@pytest.mark.parametrize(("action", "verb"), [(cancel_execution, "cancelled"), (pause_execution, "paused"), (resume_execution, "resumed")])
def test_an_execution_that_has_ended_stays_as_it_is(workflow, action, verb):
    execution = drive(start_execution(workflow=workflow, input={"amount": 1}).execution_id)

    with pytest.raises(WrongStatusError, match=f"is success; .* can be {verb}"):
        action(execution_id=execution.id)
