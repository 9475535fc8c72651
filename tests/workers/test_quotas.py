"""What starts from within executions counts for quotas, and is refused by them where it may be."""

from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from apps.accounts.models import User, Workspace
from apps.core import quotas
from apps.core.quotas import EXCEEDED, QuotaName
from apps.executions import children, protocol
from apps.executions.actions import start_execution
from apps.executions.models import Execution, ExecutionLimit, FollowUp, NodeRun
from apps.quotas.actions import set_quota
from apps.quotas.models import QuotaDay, StorageUse
from apps.workflows.models import WorkflowVersion
from tests.factories import make_version
from tests.workers.driving import drive, statuses, step
from tests.workers.test_children import calling, child, drive_all, parent, settle_all
from tests.workers.test_compensation import undone_by
from tests.workers.test_costs import statements  # noqa: F401  # a fixture
from tests.workers.test_follow_ups import follow_all, handler, with_handler
from tests.workers.test_loops import foreach, inside
from tests.workers.test_runner import FAIL, START, document, put
from workers import aftermath, runner

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _fresh_limits():
    quotas.forget_limits()
    yield
    quotas.forget_limits()


def limit(workspace: Workspace | None = None, *, to: int, user: User | None = None, name: QuotaName = QuotaName.EXECUTIONS_PER_DAY) -> None:
    set_quota(name=name, limit=to, workspace=workspace, user=user)
    quotas.forget_limits()


def counted() -> int:
    return QuotaDay.objects.get().used


def error_of(execution: Execution, key: str = "call") -> dict[str, Any]:
    return NodeRun.objects.get(execution=execution, key=key).error


def test_a_child_counts_for_the_quota_of_the_day():
    calls = parent(calling(child(put(x=1))))
    limit(calls.workspace, to=2)

    assert drive_all(calls).status == "success"
    assert counted() == Execution.objects.count() == 2


@pytest.mark.parametrize("config", [{"wait": True}, {"wait": False}])
def test_a_child_that_is_one_too_many_fails_the_node_which_says_why(config):
    calls = parent(calling(child(put(x=1)), **config), "call -> after", after=put(x=1))
    limit(calls.workspace, to=1)

    execution = drive_all(calls)

    error = error_of(execution)
    assert (execution.status, error["code"]) == ("failed", "quota_exceeded")
    assert "1 of at most 1 executions per day" in error["message"]
    told = error["details"]
    assert (told["name"], told["scope"], told["limit"], told["used"]) == ("executions_per_day", "workspace", 1, 1)
    assert told["resets_at"] > timezone.now().isoformat()
    assert counted() == Execution.objects.count() == 1
    assert statuses(execution.id).get("after") is None


def test_a_refused_child_takes_the_way_of_errors_and_no_value_of_the_child_that_never_was():
    lines = ["call:error -> after"]
    after = put(code="${nodes.call.?error.code.orValue('')}", child="${nodes.call.?execution.orValue('')}")
    calls = parent(calling(child(put(x=1)), wait=False, input={"of": "${1 + 1}"}), *lines, after=after)
    limit(calls.workspace, to=1)

    execution = drive_all(calls)

    assert (execution.status, execution.output) == ("success", {"code": "quota_exceeded", "child": ""})
    assert NodeRun.objects.get(execution=execution, key="call").input["input"] == {"of": 2}


def test_a_child_counts_for_the_person_who_started_its_parent():
    calls = parent(calling(child(put(x=1))))
    ada = calls.workspace.owner
    limit(user=ada, to=1)

    execution_id = start_execution(workflow=calls.workflow, started_by=ada).execution_id
    settle_all()

    error = error_of(Execution.objects.get(id=execution_id))
    assert (error["code"], error["details"]["scope"]) == ("quota_exceeded", "user")
    assert drive_all(calls).status == "success", "nobody started this one"


def test_a_child_of_a_workspace_that_stores_too_much_is_refused():
    calls = parent(calling(child(put(x=1))))
    execution_id = start_execution(workflow=calls.workflow).execution_id
    limit(calls.workspace, to=10, name=QuotaName.STORED_BYTES)
    StorageUse.objects.update_or_create(workspace=calls.workspace, defaults={"bytes": 11, "next_at": timezone.now()})

    settle_all()

    error = error_of(Execution.objects.get(id=execution_id))
    assert (error["code"], error["details"]["name"], error["details"]["resets_at"]) == ("quota_exceeded", "stored_bytes", None)


def test_of_children_that_share_a_message_as_many_start_as_there_is_room_for():
    nodes = {
        "start": START,
        "each": foreach("${input.items}", parallel=5, on_failure="collect"),
        "call": inside("each", calling(child(put(x=1)), wait=False)),
    }
    version = make_version(document(nodes, "start -> each"))
    limit(version.workspace, to=3)

    execution_id = start_execution(workflow=version.workflow, input={"items": [0, 1, 2, 3, 4]}).execution_id
    for key in ("start", "each"):
        runner.run(execution_id, [key], "", version.id, hand_over=lambda ready: True)
    places = NodeRun.objects.filter(execution=execution_id, key="call", status="queued").order_by("id").values_list("key", "path")
    assert len(places) == 5
    runner.run_places(execution_id, list(places), version.id)

    ends = NodeRun.objects.filter(execution=execution_id, key="call").values_list("status", "error__code")
    assert sorted(ends, key=str) == [("failed", "quota_exceeded")] * 3 + [("success", None)] * 2
    assert counted() == Execution.objects.count() == 3


@pytest.mark.parametrize("is_limited", [False, True])
def test_a_call_costs_a_claim_a_look_at_the_workflow_and_a_settle_under_a_limit_or_not(is_limited, statements):  # noqa: F811
    calls = parent(calling(child(put(x=1))))
    if is_limited:
        limit(calls.workspace, to=5)
    execution_id = start_execution(workflow=calls.workflow).execution_id
    step(execution_id)
    statements.clear()

    step(execution_id)

    assert statements[:2] == [protocol._CLAIM, children._TARGET]
    assert ["settle_v3" in one for one in statements[2:]] == [True]
    assert Execution.objects.count() == 2
    assert QuotaDay.objects.exists() == is_limited


def test_an_undoing_counts_and_is_never_refused_nor_what_it_calls():
    innermost = child(put(x=1))
    undo = calling(child(calling(innermost)))
    nodes = {"start": START, "one": undone_by("undo"), "bad": FAIL, "undo": undo}
    version = make_version(document(nodes, "start -> one -> bad"))
    limit(version.workspace, to=1)
    drive(start_execution(workflow=version.workflow).execution_id)

    aftermath.follow_up()
    settle_all()

    assert FollowUp.objects.get().error is None
    assert set(Execution.objects.exclude(trigger="api").values_list("trigger", "status")) == {
        ("compensation", "success"),
        ("workflow", "success"),
    }
    assert Execution.objects.filter(workflow=innermost.workflow, status="success").count() == 1
    assert counted() == Execution.objects.count() == 4


def test_an_error_workflow_counts_and_is_never_refused_but_what_it_calls_is():
    handling = make_version(document({"start": START, "call": calling(child(put(x=1)))}, "start -> call"))
    version = with_handler(handling)
    limit(version.workspace, to=1)
    StorageUse.objects.update_or_create(workspace=version.workspace, defaults={"bytes": 11, "next_at": timezone.now()})
    drive(start_execution(workflow=version.workflow).execution_id)
    limit(version.workspace, to=10, name=QuotaName.STORED_BYTES)

    follow_all()

    handled = Execution.objects.get(trigger="error")
    assert (handled.status, error_of(handled)["code"]) == ("failed", "quota_exceeded")
    assert counted() == Execution.objects.count() == 2


def test_a_retry_that_is_refused_is_final_and_dealt_with():
    version = with_handler(handler(), retry={"max_attempts": 2, "delay_seconds": 1})
    limit(version.workspace, to=1)
    drive(start_execution(workflow=version.workflow).execution_id)

    follow_all()

    assert FollowUp.objects.get(kind="retry").error["code"] == "quota_exceeded"
    assert FollowUp.objects.get(kind="error").execution.status == "success"


def start_by_sql(version: WorkflowVersion, key: str | None = None) -> Any:
    with connection.cursor() as cursor:
        cursor.execute("select structforge_start(%s, '{}', %s)", [version.workflow_id, key])
        return cursor.fetchone()[0]


def test_a_start_from_sql_is_refused_where_one_over_http_would_be():
    version = make_version()
    limit(version.workspace, to=1)
    first = start_by_sql(version, "a")

    with pytest.raises(DatabaseError, match="this workspace has 1 of at most 1 executions per day") as refused, transaction.atomic():
        start_by_sql(version)

    assert refused.value.__cause__.sqlstate == EXCEEDED
    assert "midnight UTC" in refused.value.__cause__.diag.message_hint
    assert start_by_sql(version, "a") == first
    assert counted() == Execution.objects.count() == 1
    start_by_sql(make_version(username="bob"))


def test_a_start_from_sql_obeys_a_default_of_all_and_the_quota_of_bytes():
    version = make_version()
    limit(to=0)
    with pytest.raises(DatabaseError, match="0 of at most 0"), transaction.atomic():
        start_by_sql(version)
    set_quota(name=QuotaName.EXECUTIONS_PER_DAY, limit=None, workspace=version.workspace)
    start_by_sql(version)
    set_quota(name=QuotaName.STORED_BYTES, limit=10, workspace=version.workspace)
    StorageUse.objects.update_or_create(workspace=version.workspace, defaults={"bytes": 11, "next_at": timezone.now()})
    with pytest.raises(DatabaseError, match="11 of at most 10 stored bytes"), transaction.atomic():
        start_by_sql(version)


def test_a_start_from_sql_stands_in_line():
    version = make_version()
    ExecutionLimit.objects.create(kind="workspace", workspace=version.workspace, max_running=1)
    started = [start_by_sql(version), start_by_sql(version)]
    assert [Execution.objects.get(id=one).status for one in started] == ["pending", "pending"]
