"""What deals with a failure, and what tries again: each once, whoever looks, and linked both ways."""

import threading
from typing import Any

import pytest
from django.db import connection

from apps.executions.actions import start_execution
from apps.executions.connection import fetch
from apps.executions.follow_ups.actions import AlreadyStartedError, drop_follow_up
from apps.executions.models import Ending, Execution, FollowUp
from apps.workflows.models import Workflow, WorkflowVersion
from tests.factories import make_version
from tests.workers.driving import drive
from tests.workers.test_runner import FAIL, START, document, put
from workers import aftermath

pytestmark = pytest.mark.django_db(transaction=True)


def failing(bad: dict[str, Any] = FAIL, **rest: Any) -> WorkflowVersion:
    return make_version(document({"start": START, "bad": bad}, "start -> bad", **rest))


def handler(bad: dict[str, Any] | None = None, **rest: Any) -> WorkflowVersion:
    """A workflow that looks at a failure."""
    look = put(node="${input.node}", code="${input.error.code}", workflow="${input.workflow.name}", attempt="${input.execution.attempt}")
    return make_version(document({"start": START, "look": look, **({"bad": bad} if bad else {})}, "start -> look", **rest))


def with_handler(version: WorkflowVersion, **settings: Any) -> WorkflowVersion:
    return failing(settings={"error_workflow": str(version.workflow_id), **settings})


def ended(version: WorkflowVersion, **how: Any) -> Execution:
    return drive(start_execution(workflow=version.workflow, **how).execution_id)


def all_due() -> None:
    """Let the time of every retry have come."""
    fetch("update execution_follow_up set due_at = clock_timestamp() where execution_id is null returning id", {})


def follow_all() -> None:
    moved = 1
    while moved:
        all_due()
        moved = aftermath.follow_up()
        for follow_up in FollowUp.objects.filter(execution__finished_at__isnull=True, execution__isnull=False):
            drive(follow_up.execution_id)
            moved += 1


def test_a_failure_starts_the_error_workflow_once_with_what_happened():
    execution = ended(with_handler(handler()), business_key="ORDER-1")

    follow_all()

    follow_up = FollowUp.objects.get(origin=execution)
    handled = follow_up.execution
    assert (handled.trigger, handled.status) == ("error", "success")
    assert handled.output == {"node": "bad", "code": "broken", "workflow": execution.workflow.name, "attempt": 1}
    assert handled.input["execution"]["id"] == str(execution.pk)
    assert handled.input["execution"]["business_key"] == "ORDER-1"
    assert Execution.objects.count() == 2


def test_many_who_look_at_the_same_time_start_it_once():
    ended(with_handler(handler()))

    def look() -> None:
        barrier.wait()
        try:
            for _ in range(3):
                aftermath.follow_up()
        finally:
            connection.close()

    barrier = threading.Barrier(6)
    threads = [threading.Thread(target=look) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    aftermath.follow_up()

    assert Execution.objects.filter(trigger="error").count() == 1
    assert not Ending.objects.exists()


def test_the_failure_of_an_error_workflow_starts_nothing():
    second = handler()
    first = make_version(document({"start": START, "bad": FAIL}, "start -> bad", settings={"error_workflow": str(second.workflow_id)}))
    ended(with_handler(first))
    follow_all()
    assert [execution.trigger for execution in Execution.objects.order_by("created_at")] == ["api", "error"]


@pytest.mark.parametrize("why", ["unpublished", "moved", "deleted", "wrong_input"])
def test_an_error_workflow_that_cannot_be_started_is_told_on_the_failed_execution(why):
    version = handler(inputs={"invoice": "string"} if why == "wrong_input" else {})
    execution = ended(with_handler(version))
    if why == "unpublished":
        Workflow.objects.filter(pk=version.workflow_id).update(published_version=None)
    elif why == "moved":
        Workflow.objects.filter(pk=version.workflow_id).update(workspace=make_version(username="bob").workspace)
    elif why == "deleted":
        Workflow.objects.filter(pk=version.workflow_id).delete()

    follow_all()

    codes = {"unpublished": "workflow_not_published", "wrong_input": "invalid_input"}
    assert FollowUp.objects.get(origin=execution).error["code"] == codes.get(why, "error_workflow_gone")
    assert not Execution.objects.filter(trigger="error").exists()


def test_a_failed_execution_is_tried_again_from_the_start_as_often_as_it_says():
    execution = ended(failing(settings={"retry": {"max_attempts": 3, "delay_seconds": 60}}), input={"x": 1}, business_key="A")

    aftermath.follow_up()
    assert FollowUp.objects.get().execution is None, "its time has not come"
    assert aftermath.follow_up() == 0
    follow_all()

    chain = list(Execution.objects.order_by("created_at"))
    assert [each.trigger for each in chain] == ["api", "retry", "retry"]
    assert {(each.business_key, str(each.input), each.version_id, each.priority) for each in chain} == {
        ("A", "{'x': 1}", execution.version_id, execution.priority)
    }
    assert [(each.origin_id, each.execution_id, each.attempt) for each in FollowUp.objects.order_by("created_at")] == [
        (chain[0].id, chain[1].id, 2),
        (chain[1].id, chain[2].id, 3),
    ]


def test_only_the_codes_that_are_named_are_tried_again():
    ended(failing(settings={"retry": {"on": ["timed_out"]}}))
    follow_all()
    assert Execution.objects.count() == 1


def test_the_error_workflow_waits_for_the_last_failure():
    ended(with_handler(handler(), retry={"max_attempts": 2, "delay_seconds": 0}))
    follow_all()
    assert [each.trigger for each in Execution.objects.order_by("created_at")] == ["api", "retry", "error"]
    assert Execution.objects.get(trigger="error").output["attempt"] == 2


def test_a_retry_waits_until_all_is_undone():
    nodes = {"start": START, "one": {**put(x=1), "compensate": "undo"}, "bad": FAIL, "undo": put(x=2)}
    ended(make_version(document(nodes, "start -> one -> bad", settings={"retry": {"max_attempts": 2, "delay_seconds": 0}})))

    aftermath.follow_up()
    aftermath.follow_up()
    assert [each.trigger for each in Execution.objects.order_by("created_at")] == ["api", "compensation"]

    follow_all()
    assert [each.trigger for each in Execution.objects.order_by("created_at")] == ["api", "compensation", "retry", "compensation"]


def test_what_could_not_be_undone_is_not_tried_again_and_its_failure_is_dealt_with():
    nodes = {"start": START, "one": {**put(x=1), "compensate": "undo"}, "bad": FAIL, "undo": FAIL}
    settings = {"retry": {"max_attempts": 2, "delay_seconds": 0}, "error_workflow": str(handler().workflow_id)}
    execution = ended(make_version(document(nodes, "start -> one -> bad", settings=settings)))

    follow_all()

    assert FollowUp.objects.get(origin=execution, kind="retry").error["code"] == "not_undone"
    assert [each.trigger for each in Execution.objects.order_by("created_at")] == ["api", "compensation", "error"]


def test_a_retry_that_was_dropped_does_not_happen_and_one_that_happened_is_not_dropped():
    ended(failing(settings={"retry": {"max_attempts": 2, "delay_seconds": 60}}))
    aftermath.follow_up()
    dropped = drop_follow_up(follow_up_id=FollowUp.objects.get().pk, by="ada")
    assert dropped.error["code"] == "dropped"
    follow_all()
    assert Execution.objects.count() == 1
    with pytest.raises(AlreadyStartedError):
        drop_follow_up(follow_up_id=dropped.pk, by="ada")


def test_an_archived_workflow_is_not_tried_again():
    execution = ended(failing(settings={"retry": {"max_attempts": 2, "delay_seconds": 0}}))
    fetch("update workflow set archived_at = clock_timestamp() where id = %(id)s returning id", {"id": execution.workflow_id})
    follow_all()
    assert FollowUp.objects.get().error["code"] == "workflow_archived"


def test_an_end_that_cannot_be_planned_holds_up_no_other(monkeypatch):
    stuck, other = ended(with_handler(handler())), ended(with_handler(handler()))
    plan = aftermath.plan_follow_ups

    def failing_for_one(execution):
        if execution.pk == stuck.pk:
            raise LookupError("no such node type here")
        return plan(execution)

    monkeypatch.setattr(aftermath, "plan_follow_ups", failing_for_one)
    aftermath.follow_up()
    assert [each.origin_id for each in FollowUp.objects.all()] == [other.pk]
    monkeypatch.undo()
    aftermath.follow_up()
    assert FollowUp.objects.filter(origin=stuck).exists()
