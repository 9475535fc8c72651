"""Nothing that is held begins, nothing of it is lost, and no sweeper turns round and round it."""

from datetime import timedelta
from uuid import UUID

import pytest
from django.utils import timezone

from apps.executions import handoff, holds
from apps.executions.actions import cancel_execution, pause_execution, resume_execution, start_execution
from apps.executions.connection import fetch
from apps.executions.holds import AlreadyReleasedError, InvalidHoldError
from apps.executions.models import Execution, Hold, NodeRun
from apps.workflows.models import WorkflowNode
from tests.factories import make_version
from tests.workers import functions
from tests.workers.driving import drive, statuses, step
from tests.workers.test_runner import START, document, put
from tests.workers.test_sweepers import redis, sent, sweeper  # noqa: F401  # fixtures
from workers import runner
from workers.leases import process_leases

pytestmark = pytest.mark.django_db(transaction=True)

COUNT = {"type": "function", "config": {"function": "tests.count", "arguments": {}}}


@pytest.fixture
def version():
    #  start ─▶ a ─▶ b ─▶ c
    made = make_version(document({"start": START, "a": COUNT, "b": put(x=1), "c": COUNT}, "start -> a -> b -> c"))
    WorkflowNode.objects.bulk_create([WorkflowNode(version=made, key=key, type="x") for key in ("start", "a", "b", "c")])
    return made


def hold(version, scope: str = "node", node_key: str = "c", **values) -> Hold:
    place = {
        "node": {"workflow": version.workflow, "node_key": node_key},
        "workflow": {"workflow": version.workflow},
        "workspace": {"workspace": version.workspace},
        "installation": {},
    }[scope]
    return holds.hold(**{"workspace": None, "reason": "x", "until": None, "held_by": version.workspace.owner} | place | values)


def begin(version) -> UUID:
    return start_execution(workflow=version.workflow).execution_id


@pytest.mark.parametrize(
    ("scope", "node_key", "reached"),
    [
        ("node", "c", {"start": "success", "a": "success", "b": "success", "c": "queued"}),
        ("node", "b", {"start": "success", "a": "success", "b": "queued"}),  # it is pure, and would have ridden along
        ("workflow", "", {"start": "queued"}),
        ("workspace", "", {"start": "queued"}),
        ("installation", "", {"start": "queued"}),
    ],
)
def test_what_is_held_does_not_begin_and_goes_on_when_it_is_released(version, scope, node_key, reached, sent):  # noqa: F811
    made = hold(version, scope, node_key)
    functions.calls.clear()
    execution_id = begin(version)

    assert drive(execution_id, rounds=5).status == "running"
    assert statuses(execution_id) == reached
    sent.clear()
    assert holds.release(hold=made, released_by=None) == 1

    assert sent == [list(reached)[-1]], "as a resume does, the release sends what is queued"
    assert drive(execution_id).status == "success"
    assert len(functions.calls) == 2, "nothing ran twice"
    with pytest.raises(AlreadyReleasedError):
        holds.release(hold=made, released_by=None)


def test_others_are_not_held(version):
    other, foreign = make_version(version.definition), make_version(version.definition, username="bob")
    hold(version, "workflow")
    hold(foreign, "workspace")

    assert drive(begin(other)).status == "success"


def test_what_runs_finishes_and_nothing_new_begins(version):
    execution_id = begin(version)
    step(execution_id)
    assert statuses(execution_id) == {"start": "success", "a": "queued"}
    entered = hold_while_running(execution_id, version)

    assert statuses(execution_id) == {"start": "success", "a": "success", "b": "queued"}
    holds.release(hold=entered, released_by=None)
    assert drive(execution_id).status == "success"


def hold_while_running(execution_id, version) -> Hold:
    """Run `a`, and have the workflow held before it ends; the next renewal of its lease brings that."""
    made = []

    def count_and_hold(self, held):
        made.append(hold(version, "workflow"))
        for one in held:
            one.renewed_at = -1.0
        process_leases().renew(held)
        return original(self, held)

    original = type(process_leases()).holding
    patch = pytest.MonkeyPatch()
    patch.setattr(type(process_leases()), "holding", count_and_hold)
    try:
        runner.run(execution_id, ["a"], "", version.id, hand_over=lambda ready: True)
    finally:
        patch.undo()
    return made[0]


def test_of_two_holds_one_still_holds(version, sweeper):  # noqa: F811
    first, second = hold(version), hold(version, "workspace")
    execution_id = begin(version)
    sweeper.keep_holds()

    holds.release(hold=second, released_by=None)
    drive(execution_id, rounds=5)
    assert statuses(execution_id)["c"] == "queued"
    holds.release(hold=first, released_by=None)

    assert drive(execution_id).status == "success"


def test_the_sweepers_put_aside_what_is_held_and_send_it_once_it_is_released(version, sweeper, sent):  # noqa: F811
    made = hold(version, "workflow")
    execution_id = begin(version)
    make_due(execution_id)
    sent.clear()

    assert sweeper.keep_holds() == 1
    assert [sweeper.keep_holds(), sweeper.send_overdue(), sweeper.send_stranded()] == [0, 0, 0]
    make_old(execution_id)
    assert [sweeper.keep_holds(), sweeper.send_overdue(), sweeper.send_stranded()] == [0, 0, 0]
    sweeper.check_epoch()
    sweeper._redis.flushall()
    assert sweeper.check_epoch() == 0, "what is held is not sent again after a loss of Redis"
    assert sent == []
    assert NodeRun.objects.get(execution_id=execution_id).held_by == made

    holds.release(hold=made, released_by=None)

    assert sent == ["start"]
    assert NodeRun.objects.get(execution_id=execution_id).held_by is None
    sweeper.keep_holds()
    assert Hold.objects.get().is_done
    assert drive(execution_id).status == "success"


def make_due(execution_id):
    fetch(
        "update node_run set due_at = clock_timestamp() where execution_id = %(e)s and status = 'queued' returning 1 as x",
        {"e": execution_id},
    )


def make_old(execution_id):
    fetch("update node_run set queued_at = queued_at - interval '1 hour' where execution_id = %(e)s returning 1 as x", {"e": execution_id})


def test_a_backlog_of_held_work_keeps_no_other_from_being_sent(version, sweeper, sent, monkeypatch):  # noqa: F811
    monkeypatch.setattr("workers.sweepers.BATCH", 3)
    hold(version, "workflow")
    other = make_version(version.definition)
    for _ in range(6):
        make_due(begin(version))
    waiting = begin(other)
    make_due(waiting)
    sent.clear()

    sweeper.keep_holds()

    assert sweeper.send_overdue() == 1
    assert sent == ["start"]


def test_a_release_that_broke_off_is_finished_by_a_sweeper(version, sweeper, sent, monkeypatch):  # noqa: F811
    made = hold(version, "workflow")
    for _ in range(3):
        begin(version)
    monkeypatch.setattr(holds, "_send_released", lambda: 0)  # dies after its first statement
    holds.release(hold=made, released_by=None)
    monkeypatch.undo()
    monkeypatch.setattr(handoff, "_messages", lambda ready, among: sent.extend(one.key for one in ready) or [])
    sent.clear()

    assert sweeper.keep_holds() == 3
    assert sent == ["start"] * 3


def test_a_hold_ends_by_itself(version, sweeper):  # noqa: F811
    made = hold(version, "workflow", until=timezone.now() + timedelta(hours=1))
    execution_id = begin(version)
    sweeper.keep_holds()
    assert Hold.objects.get().released_at is None
    Hold.objects.update(until=timezone.now())

    assert sweeper.keep_holds() == 1

    made.refresh_from_db()
    assert (made.released_at is not None, made.released_by) == (True, None)
    assert drive(execution_id).status == "success"


def test_pause_resume_and_cancel_go_on_beside_a_hold(version, sweeper):  # noqa: F811
    made = hold(version, "workflow")
    paused, cancelled = begin(version), begin(version)
    sweeper.keep_holds()
    pause_execution(execution_id=paused)
    resume_execution(execution_id=paused)
    assert cancel_execution(execution_id=cancelled) == "cancelled"
    drive(paused, rounds=3)
    assert statuses(paused) == {"start": "queued"}

    holds.release(hold=made, released_by=None)

    assert drive(paused).status == "success"
    assert Execution.objects.get(pk=cancelled).status == "cancelled"


def test_a_hold_that_covers_nothing_is_refused(version):
    with pytest.raises(InvalidHoldError, match="has a node"):
        hold(version, node_key="nowhere")
    with pytest.raises(InvalidHoldError, match="in the future"):
        hold(version, until=timezone.now())
