"""Limits on executions at a time: who runs, who stands in line, and who is next."""

import json
import threading
from typing import Any
from uuid import UUID

import pytest
from django.conf import settings
from django.db import connection
from redis import Redis

from apps.executions import waiting
from apps.executions.actions import Start, cancel_execution, pause_execution, resume_execution, start_execution, start_executions
from apps.executions.admission import InvalidConcurrencyKeyError, admit
from apps.executions.models import Execution, ExecutionEvent, ExecutionLimit, NodeRun
from apps.workflows.models import WorkflowVersion
from tests.factories import make_version, make_workspace
from tests.processes import wait_for
from tests.workers.driving import drive
from tests.workers.test_runner import START, document, put
from workers.sweepers import HoldDown, Sweeper

pytestmark = pytest.mark.django_db(transaction=True)


def limited(most: int | None = 2, *, username: str = "ada", **own: Any) -> WorkflowVersion:
    """A workflow of which so many executions run at a time; its last node waits for a message that comes when it is driven."""
    found = {**({} if most is None else {"max_concurrency": most}), **own}
    definition = document({"start": START, "end": put(x=1)}, "start -> end", settings=found, inputs={"who": "string?"})
    return make_version(definition, username=username)


def start(version: WorkflowVersion, **options: Any) -> UUID:
    return start_execution(workflow=version.workflow, **options).execution_id


def status(execution_id: UUID) -> str:
    return str(Execution.objects.values_list("status", flat=True).get(id=execution_id))


def statuses(*executions: UUID) -> list[str]:
    return [status(execution_id) for execution_id in executions]


def test_what_finds_no_slot_stands_in_line_until_one_ends():
    version = limited(2)
    first, second, third = (start(version) for _ in range(3))
    assert statuses(first, second, third) == ["running", "running", "pending"]
    assert set(NodeRun.objects.filter(execution_id=third).values_list("status", flat=True)) == {"pending"}

    drive(first)

    assert statuses(first, second, third) == ["success", "running", "running"]
    assert list(ExecutionEvent.objects.filter(execution_id=third).order_by("sequence").values_list("kind", "status")) == [
        ("started", "pending"),
        ("admitted", "running"),
    ]
    drive(third)
    assert status(third) == "success"


def test_the_line_goes_by_priority_and_then_by_age():
    version = limited(1)
    running = start(version)
    normal = [start(version, priority="normal") for _ in range(2)]
    high = [start(version, priority="high") for _ in range(2)]

    order = []
    for ending in [running, high[0], high[1], normal[0]]:
        drive(ending)
        order += [one for one in [*normal, *high] if status(one) == "running"]

    assert order == [*high, *normal]


def test_a_bulk_start_runs_in_its_order_and_takes_no_more_than_there_is():
    version = limited(3)
    started = start_executions(workflow=version.workflow, starts=[Start() for _ in range(10)])

    assert statuses(*(one.execution_id for one in started)) == ["running"] * 3 + ["pending"] * 7
    assert all(one.is_limited for one in started)


def test_a_key_limits_each_of_its_values_alone():
    version = limited(1, concurrency_key="${input.?who.orValue(null)}")
    of_a, again_a, of_b, of_nobody, again_nobody = (
        start(version, input={"who": who} if who else {}) for who in ["a", "a", "b", None, None]
    )

    assert statuses(of_a, again_a, of_b, of_nobody, again_nobody) == ["running", "pending", "running", "running", "running"]
    drive(of_b)
    assert status(again_a) == "pending"
    drive(of_a)
    assert status(again_a) == "running"


def test_a_key_that_has_no_value_is_refused_and_starts_nothing():
    version = limited(1, concurrency_key="${input.who}")

    with pytest.raises(InvalidConcurrencyKeyError, match="who"):
        start(version)

    assert not Execution.objects.exists()


def test_a_start_from_sql_stands_in_line_too_and_gets_its_key_from_the_sweeper(sweeper):
    version = limited(1, concurrency_key="${input.who}")
    mine = [from_sql(version, {"who": "a"}) for _ in range(2)]
    broken = from_sql(version, {})
    assert statuses(*mine, broken) == ["pending"] * 3

    sweeper.let_in()

    assert statuses(*mine, broken) == ["running", "pending", "failed"]
    assert Execution.objects.get(id=broken).error["code"] == "invalid_concurrency_key"


def test_one_that_is_cancelled_in_line_never_ran_and_held_no_slot():
    version = limited(1)
    running, waiting, behind = (start(version) for _ in range(3))

    assert cancel_execution(execution_id=waiting) == "cancelled"

    cancelled = Execution.objects.get(id=waiting)
    assert (cancelled.started_at, cancelled.open_nodes) == (None, 0)
    assert set(NodeRun.objects.filter(execution_id=waiting).values_list("status", "started_at")) == {("cancelled", None)}
    drive(running)
    assert statuses(waiting, behind) == ["cancelled", "running"]


def test_a_cancelled_execution_lets_the_next_one_in_at_once():
    version = limited(1)
    running, waiting = start(version), start(version)

    cancel_execution(execution_id=running)

    assert statuses(running, waiting) == ["cancelled", "running"]


def test_a_paused_execution_keeps_its_slot_and_goes_on_without_waiting():
    version = limited(1)
    paused, waiting = start(version), start(version)

    pause_execution(execution_id=paused)
    admit()
    assert statuses(paused, waiting) == ["paused", "pending"]

    resume_execution(execution_id=paused)
    drive(paused)
    assert statuses(paused, waiting) == ["success", "running"]


def test_the_run_time_counts_from_the_moment_in_which_it_is_let_in():
    version = limited(1, timeout_seconds=60)
    running, waiting = start(version), start(version)
    assert Execution.objects.get(id=waiting).deadline_at is None

    drive(running)

    let_in = Execution.objects.get(id=waiting)
    assert (let_in.deadline_at - let_in.started_at).total_seconds() == pytest.approx(60)
    assert let_in.started_at > let_in.created_at


def test_a_limit_of_the_workspace_counts_all_its_workflows_and_no_others(sweeper):
    here, too, elsewhere = limited(None), limited(None), limited(None, username="bob")
    limit(kind="workspace", workspace=here.workspace, max_running=2)
    first, second, third = start(here), start(too), start(too)

    assert statuses(first, second, third, start(elsewhere)) == ["running", "running", "pending", "running"]
    drive(first)
    assert status(third) == "running"


def test_a_limit_for_each_person_holds_up_nobody_else():
    version, ada, bob = limited(None), make_workspace("ada").owner, make_workspace("bob").owner
    limit(kind="user", workspace=version.workspace, max_running=1)
    limit(kind="user", workspace=version.workspace, user=bob, max_running=2)

    of_ada = [start(version, started_by=ada) for _ in range(2)]
    of_bob = [start(version, started_by=bob) for _ in range(3)]

    assert statuses(*of_ada, *of_bob) == ["running", "pending", "running", "running", "pending"]
    assert status(start(version)) == "running", "nobody started it, and so nobody's limit concerns it"


def test_a_limit_of_the_installation_goes_round_the_workspaces():
    limit(kind="installation", max_running=1)
    mine, theirs = limited(None), limited(None, username="bob")
    running = start(mine)
    long_line = start_executions(workflow=mine.workflow, starts=[Start() for _ in range(20)])
    other = start(theirs)
    ExecutionLimit.objects.update(max_running=3)

    admit()

    let_in = set(Execution.objects.filter(status="running").values_list("id", flat=True))
    assert let_in == {running, long_line[0].execution_id, other}


def test_the_narrowest_limit_decides_among_several():
    version = limited(2)
    limit(kind="workspace", workspace=version.workspace, max_running=3)
    limit(kind="installation", max_running=5)

    for _ in range(6):
        start(version)
    assert Execution.objects.filter(status="running").count() == 2


def test_raising_or_dropping_a_limit_lets_the_waiting_in(sweeper):
    version = limited(None)
    found = limit(kind="workspace", workspace=version.workspace, max_running=1)
    executions = [start(version) for _ in range(4)]

    ExecutionLimit.objects.filter(pk=found.pk).update(max_running=2)
    assert sweeper.let_in() == 1
    ExecutionLimit.objects.all().delete()
    assert sweeper.let_in() == 2

    assert statuses(*executions) == ["running"] * 4


def test_a_sweeper_that_runs_lets_the_next_one_in_though_the_end_told_nobody(sweeper):
    """The first one began before there was a limit: its worker does not know that anybody waits for its end."""
    version = limited(None)
    first = start(version)
    limit(kind="workspace", workspace=version.workspace, max_running=1)
    second = start(version)
    drive(first)
    assert statuses(first, second) == ["success", "pending"]

    stop = threading.Event()
    thread = threading.Thread(target=sweeper.run, args=(stop,))
    thread.start()
    try:
        wait_for(lambda: status(second) == "running", within_seconds=30)
    finally:
        stop.set()
        thread.join()


def test_a_line_is_counted_no_further_than_anybody_cares(monkeypatch):
    monkeypatch.setattr(waiting, "MAX_COUNTED_IN_LISTS", 2)
    version = limited(1)
    for _ in range(5):
        start(version)

    found = waiting.waiting_of(Execution.objects.filter(status="pending"))

    assert sorted(one.reason for one in found.values()) == [
        "1st in line: the workflow allows 1 at once",
        "2nd in line: the workflow allows 1 at once",
        "beyond the 2nd in line: the workflow allows 1 at once",
        "beyond the 2nd in line: the workflow allows 1 at once",
    ]


def test_two_versions_of_a_workflow_share_its_slots():
    old = limited(1)
    newer = limited(3)
    WorkflowVersion.objects.filter(pk=newer.pk).update(workflow=old.workflow, number=2)
    newer.refresh_from_db()
    start(old)

    of_newer = [start_execution(workflow=old.workflow, version=newer).execution_id for _ in range(3)]

    assert statuses(*of_newer) == ["running", "running", "pending"]
    assert status(start(old)) == "pending"


def test_a_second_start_with_the_same_idempotency_key_takes_no_second_place():
    version = limited(1)
    first = start(version, idempotency_key="once")

    assert start(version, idempotency_key="once") == first
    assert Execution.objects.count() == 1


def test_a_workspace_with_a_limit_of_run_time_caps_what_the_workflow_allows(sweeper):
    version, patient = limited(None, timeout_seconds=60), limited(None)
    limit(kind="workspace", workspace=version.workspace, max_seconds=10)

    for one in (start(version), start(patient)):
        execution = Execution.objects.get(id=one)
        assert (execution.deadline_at - execution.started_at).total_seconds() == pytest.approx(10)


def limit(**fields: Any) -> ExecutionLimit:
    return ExecutionLimit.objects.create(**fields)


def from_sql(version: WorkflowVersion, input: dict[str, Any]) -> UUID:
    with connection.cursor() as cursor:
        cursor.execute("select structforge_start(%s, %s::jsonb)", [version.workflow_id, json.dumps(input)])
        found: UUID = cursor.fetchone()[0]
        return found


@pytest.fixture
def sweeper():
    return Sweeper(redis=Redis.from_url(settings.REDIS_URL), hold_down=HoldDown(lease_seconds=0))
