"""What is lost is made good: messages, workers, timers, Redis."""

import subprocess
import sys
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.conf import settings
from django.db import connection
from redis import Redis

from apps.executions import handoff, protocol
from apps.executions.actions import NotUncertainError, cancel_execution, resolve_uncertain, start_execution
from apps.executions.connection import fetch
from apps.executions.models import Execution, NodeRun
from apps.executions.settling import OutputNotKeptError
from tests.factories import make_version
from tests.workers import functions
from tests.workers.driving import drive, statuses, step
from tests.workers.test_runner import START, document, put
from workers import host, sweepers
from workers.sweepers import HoldDown, Sweeper

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def redis():
    client = Redis.from_url(settings.REDIS_URL)
    client.flushall()
    return client


@pytest.fixture
def sweeper(redis):
    calm = HoldDown(lease_seconds=0)
    return Sweeper(redis=redis, hold_down=calm)


@pytest.fixture
def sent(monkeypatch):
    """Keys of node runs that messages would be sent for; the broker gets none, and so has none to explain a delay by."""
    keys: list[str] = []
    monkeypatch.setattr(handoff, "_messages", lambda ready, among: keys.extend(one.key for one in ready) or [])
    return keys


def begin(function: str = "tests.count", **node) -> UUID:
    """An execution whose node `work` is queued."""
    work = {"type": "function", "config": {"function": function, "arguments": {}}, **node}
    version = make_version(document({"start": START, "work": work, "after": put(x="${nodes.work}")}, "start -> work -> after"))
    execution_id = start_execution(workflow=version.workflow).execution_id
    step(execution_id)
    assert statuses(execution_id)["work"] == "queued"
    return execution_id


def claim_and_die(execution_id: UUID, *, begins_effect: bool = False, worker: str = "elsewhere/1:2:3") -> protocol.ClaimedRun:
    """Claim `work` as a worker whose lease then lapses."""
    claim = protocol.claim(execution_id=execution_id, keys=["work"], tokens=[uuid4()], path="", worker=worker, reads=[], wants_input=False)
    if begins_effect:
        assert protocol.begin_effect(execution_id=execution_id, run=claim.runs[0])
    protocol.lapse(workers=[worker])
    return claim.runs[0]


def test_a_node_whose_worker_died_runs_again(sweeper, sent):
    execution_id = begin()
    claim_and_die(execution_id)

    assert sweeper.rescue() == 1

    node_run = NodeRun.objects.get(execution_id=execution_id, key="work")
    assert (node_run.status, node_run.attempt, node_run.losses) == ("queued", 2, 1)
    assert sent == ["start", "work"]
    assert drive(execution_id).status == "success"


def test_a_node_that_loses_its_worker_three_times_fails_with_worker_lost(sweeper, sent):
    execution_id = begin()
    for _ in range(3):
        claim_and_die(execution_id)
        sweeper.rescue()

    execution = Execution.objects.get(id=execution_id)
    assert execution.status == "failed"
    assert execution.error["code"] == "worker_lost"


def test_an_effect_that_may_have_happened_waits_for_a_person(sweeper, sent):
    execution_id = begin("tests.effect")
    claim_and_die(execution_id, begins_effect=True)

    sweeper.rescue()

    assert statuses(execution_id)["work"] == "uncertain"
    assert drive(execution_id).status == "running"


@pytest.mark.parametrize(("decision", "status"), [("rerun", "success"), ("success", "success"), ("failed", "failed")])
def test_a_person_decides_about_an_uncertain_node(sweeper, sent, decision, status):
    execution_id = begin("tests.effect")
    claim_and_die(execution_id, begins_effect=True)
    sweeper.rescue()
    functions.calls.clear()

    node_run = NodeRun.objects.get(execution_id=execution_id, key="work")
    resolve_uncertain(node_run_id=node_run.id, decision=decision, output={"by": "hand"})

    execution = drive(execution_id)
    assert execution.status == status
    assert len(functions.calls) == (decision == "rerun")
    if decision == "success":
        assert execution.output == {"x": {"by": "hand"}}


@pytest.fixture
def undecided(sweeper, sent) -> NodeRun:
    """The node run `work`, uncertain since its worker died: a process of this host, as the sweepers of this host can see."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        worker = host.label(process.pid)
    execution_id = begin("tests.effect")
    claim_and_die(execution_id, begins_effect=True, worker=worker)
    assert sweeper.rescue() == 1
    return NodeRun.objects.get(execution_id=execution_id, key="work", status="uncertain", worker=worker)


def decide(node_run: NodeRun) -> UUID:
    """A person says that it has succeeded, under this token; that is not settled yet."""
    token = uuid4()
    statement = "select resolve_uncertain_v1(%(node_run)s, false, %(token)s, interval '15 s') as result"
    assert protocol.call(statement, node_run=node_run.pk, token=token)["status"] == "running"
    return token


def test_a_decision_is_not_taken_for_work_of_the_worker_that_died(sweeper, undecided):
    token = decide(undecided)

    assert (sweeper.rescue_dead(), sweeper.rescue()) == (0, 0)

    undecided.refresh_from_db()
    assert (undecided.status, undecided.claim_token) == ("running", token)


def test_a_decision_that_is_never_settled_is_asked_for_again(sweeper, undecided):
    decide(undecided)
    fetch("update node_run set lease_until = clock_timestamp() where id = %(id)s returning id", {"id": undecided.pk})

    assert sweeper.rescue() == 1

    losses = undecided.losses
    undecided.refresh_from_db()
    assert (undecided.status, undecided.losses) == ("uncertain", losses)


def test_a_decision_that_comes_too_late_is_refused(undecided, monkeypatch):
    def settle_too_late(**settlement: Any) -> dict[str, Any]:
        cancel_execution(execution_id=undecided.execution_id)
        fetch("select * from sweep_cancelling_v1(100, interval '0 s')", {})
        return settle(**settlement)

    settle = protocol.settle
    monkeypatch.setattr(protocol, "settle", settle_too_late)

    with pytest.raises(NotUncertainError, match="meanwhile"):
        resolve_uncertain(node_run_id=undecided.pk, decision="success")


def test_a_decision_whose_output_cannot_be_stored_decides_nothing(undecided, tmp_path, settings):
    settings.OBJECT_STORE_URL = f"file://{tmp_path}"
    (tmp_path / str(undecided.workspace_id)).touch()  # where its folder should be

    with pytest.raises(OutputNotKeptError, match="Nothing is decided") as caught:
        resolve_uncertain(node_run_id=undecided.pk, decision="success", output="x" * 100_000)

    assert caught.value.details == {"retry_after_seconds": 30}
    undecided.refresh_from_db()
    assert undecided.status == "running", "until its lease lapses"
    assert Execution.objects.get(id=undecided.execution_id).status == "running"


def test_an_effect_that_had_not_begun_is_simply_run_again(sweeper, sent):
    execution_id = begin("tests.effect")
    claim_and_die(execution_id)

    sweeper.rescue()

    assert statuses(execution_id)["work"] == "queued"


def test_the_late_report_of_a_lost_worker_changes_nothing(sweeper, sent):
    execution_id = begin()
    lost = claim_and_die(execution_id)
    sweeper.rescue()
    drive(execution_id)
    before = NodeRun.objects.get(execution_id=execution_id, key="work")

    document = {"key": "work", "path": "", "token": lost.token, "rows": [{"key": "work", "status": "failed"}], "next": [], "gates": []}
    result = protocol.settle(execution_id=execution_id, settlements=[document])

    assert result["applied"] == [False]
    assert NodeRun.objects.get(id=before.id).status == "success"


def test_nothing_is_rescued_while_the_database_has_just_come_back(redis, sent):
    sweeper = Sweeper(redis=redis, hold_down=HoldDown(lease_seconds=3600))
    execution_id = begin()
    claim_and_die(execution_id)

    assert sweeper.rescue() == 0


@pytest.mark.parametrize(
    ("seconds", "database_seconds", "server", "is_held"),
    [
        (101.0, 1101.0, "a", False),  # all is well
        (110.0, 1110.0, "a", True),  # it was silent for ten seconds
        (101.0, 1101.0, "b", True),  # another server, or a restart
        (101.0, 1161.0, "a", True),  # its clock jumped
    ],
)
def test_the_rescuer_holds_still_after_a_gap_a_restart_and_a_jump(seconds, database_seconds, server, is_held):
    now = [0.0]
    hold_down = HoldDown(lease_seconds=30, clock=lambda: now[0])
    assert hold_down.is_active, "it starts held: nobody knows how long the database was away"
    now[0] = 100.0
    hold_down.observe(database_seconds=1100.0, server="a")
    assert not hold_down.is_active

    now[0] = seconds
    hold_down.observe(database_seconds=database_seconds, server=server)

    assert hold_down.is_active == is_held


def test_the_node_runs_of_a_dead_process_of_this_host_are_rescued_at_once(sweeper, sent):
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        label = host.label(process.pid)
        execution_id = begin()
        protocol.claim(execution_id=execution_id, keys=["work"], tokens=[uuid4()], path="", worker=label, reads=[], wants_input=False)
        assert sweeper.rescue_dead() == 0
        process.kill()

    assert sweeper.rescue_dead() == 1
    assert statuses(execution_id)["work"] == "queued"


def test_what_nobody_claimed_in_time_is_sent_again_and_less_and_less_often(sweeper, sent):
    execution_id = begin()
    for sends in (1, 2):
        fetch(
            "update node_run set due_at = clock_timestamp() where execution_id = %(e)s and status = 'queued' returning key",
            {"e": execution_id},
        )
        sweeper.send_overdue()
        assert NodeRun.objects.get(execution_id=execution_id, key="work").sends == sends

    assert sent == ["start", "work", "work"]


def test_what_waits_for_an_empty_queue_is_sent_again_within_seconds(sweeper, sent):
    execution_id = begin()
    sent.clear()
    assert sweeper.send_stranded() == 0, "its message may be on its way"

    fetch("update node_run set queued_at = queued_at - interval '4 s' where execution_id = %(e)s returning key", {"e": execution_id})

    assert sweeper.send_stranded() == 1
    assert sweeper.send_overdue() == 1
    assert sent == ["work"]


@pytest.mark.parametrize(
    "search",
    ["sweep_wake_v1", "overdue_queues_v1", "sweep_due_v1", "rescue_v1", "sweep_deadlines_v1", "stranded_queues_v2", "sweep_stranded_v2"],
)
def test_a_search_for_what_is_due_is_bounded_by_an_index(search):
    # PostgreSQL takes no volatile function as the condition of an index: it would read all that is not due, too.
    unbounded = r"(wake_at|due_at|lease_until|deadline_at) <=? clock_timestamp\(\)"
    with connection.cursor() as cursor:
        cursor.execute("select prosrc !~ %s from pg_proc where proname = %s", [unbounded, search])
        assert cursor.fetchall() == [(True,)]


def test_timers_that_are_due_at_once_go_off_in_one_turn(sweeper, sent, monkeypatch):
    monkeypatch.setattr(sweepers, "BATCH", 2)
    wait = {"type": "control.delay", "config": {"seconds": 3600}}
    version = make_version(document({"start": START, "wait": wait}, "start -> wait"))
    for _ in range(5):
        step(start_execution(workflow=version.workflow).execution_id)
    sent.clear()
    fetch("update node_run set wake_at = clock_timestamp() where status = 'waiting' returning key", {})

    assert sweeper.wake() == 5
    assert sent == ["wait"] * 5


@pytest.mark.parametrize(("node", "messages"), [("wait", ["workers.run_executions"] * 8), ("work", ["workers.run_node"] * 32)])
def test_many_that_go_on_at_once_share_messages_where_they_are_brief(sweeper, monkeypatch, node, messages):
    sent: list[str] = []
    make = handoff._messages
    monkeypatch.setattr(handoff, "_messages", lambda ready, among: sent.extend(task for task, _, _ in make(ready, among)) or [])
    wait = {"type": "control.delay", "config": {"seconds": 3600}}
    work = {"type": "function", "config": {"function": "tests.count", "arguments": {}}}
    version = make_version(document({"start": START, node: {"wait": wait, "work": work}[node]}, f"start -> {node}"))
    for _ in range(32):
        step(start_execution(workflow=version.workflow).execution_id)
    sent.clear()
    fetch("update node_run set status = 'waiting', wake_at = clock_timestamp() where key = %(key)s returning key", {"key": node})

    assert sweeper.wake() == 32
    assert sent == messages


def test_everything_queued_is_sent_again_when_redis_lost_its_memory(sweeper, sent, redis):
    sweeper.check_epoch()
    assert sweeper.check_epoch() == 0
    begin()
    sent.clear()

    redis.flushall()

    assert sweeper.check_epoch() == 1
    assert sent == ["work"]
    assert sweeper.check_epoch() == 0


def test_an_execution_past_its_deadline_fails_with_timed_out(sweeper, sent):
    execution_id = begin()
    fetch("update execution set deadline_at = clock_timestamp() where id = %(e)s returning id", {"e": execution_id})

    assert sweeper.end_overdue() == 1

    execution = Execution.objects.get(id=execution_id)
    assert (execution.status, execution.error["code"]) == ("failed", "timed_out")


def test_a_cancelled_node_that_does_not_stop_loses_its_claim_after_the_grace(sweeper, sent):
    execution_id = begin()
    claim = protocol.claim(execution_id=execution_id, keys=["work"], tokens=[uuid4()], path="", worker="w", reads=[], wants_input=False)
    assert cancel_execution(execution_id=execution_id) == "cancelling"

    statement = "update execution set cancelling_since = clock_timestamp() - interval '31 s' where id = %(e)s returning id"
    fetch(statement, {"e": execution_id})
    sweeper.stop_cancelling()

    assert Execution.objects.get(id=execution_id).status == "cancelled"
    assert protocol.renew(held=[(execution_id, claim.runs[0])])[0]["is_lost"]


def test_a_sound_database_breaks_no_invariant(sweeper, sent):
    begin()

    assert sweeper.check_invariants() == 0


def test_a_counting_error_is_refused_by_the_database():
    execution_id = begin()

    with pytest.raises(Exception, match="execution_ends_with_its_last_node"):
        fetch("update execution set open_nodes = 0 where id = %(e)s returning id", {"e": execution_id})


def test_a_settled_node_run_cannot_be_reopened():
    execution_id = begin()

    with pytest.raises(Exception, match="leaves a settled status"):
        fetch("update node_run set status = 'queued' where execution_id = %(e)s and key = 'start' returning id", {"e": execution_id})
