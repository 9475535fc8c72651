"""Joins that start at the first arrival, and cancel the rest."""

import time
from uuid import uuid4

import pytest

from apps.engine.statuses import NodeRunStatus
from apps.executions import protocol
from apps.executions.actions import start_execution
from apps.executions.connection import fetch
from apps.executions.graphs import graphs
from apps.executions.models import Execution, NodeRun
from apps.executions.settlement import End, Settlement
from tests.factories import make_version
from tests.workers.driving import drive, queued, statuses
from tests.workers.test_loops import call, foreach, inside, waits
from tests.workers.test_runner import START, document, put
from workers import runner

pytestmark = pytest.mark.django_db(transaction=True)

FIRST = {"type": "control.merge", "config": {"mode": "first"}, "join": "any", "cancel_rest": True}


def raced(*lines: str, **nodes):
    version = make_version(document({"start": START, **nodes, "first": FIRST}, *lines))
    return start_execution(workflow=version.workflow, input={"items": [1, 2]}).execution_id


def test_what_waits_on_the_other_ways_is_cancelled_and_what_follows_them_never_begins():
    #  start ─┬▶ quick ───────────┐
    #         └▶ slow ──▶ later ──┴▶ first
    execution_id = raced(
        "start -> quick -> first", "start -> slow -> later -> first", quick=call("tests.count"), slow=waits(), later=put(x=1)
    )

    while step_without_waking(execution_id):
        pass

    assert statuses(execution_id)["slow"] == "cancelled"
    assert "later" not in statuses(execution_id)
    assert Execution.objects.get(id=execution_id).status == "success"


def test_what_leads_elsewhere_too_goes_on():
    #  start ─┬▶ quick ─┬▶ first
    #         └▶ slow ──┴▶ (first)   slow ──▶ note
    execution_id = raced(
        "start -> quick -> first", "start -> slow -> first", "slow -> note", quick=call("tests.count"), slow=waits(), note=put(x=1)
    )

    execution = drive(execution_id)

    assert execution.status == "success"
    assert (statuses(execution_id)["slow"], statuses(execution_id)["note"]) == ("success", "success")


def test_a_loop_that_loses_is_cancelled_with_its_iterations():
    execution_id = raced(
        "start -> quick -> first",
        "start -> each -> first",
        quick=call("tests.count"),
        each=foreach("${input.items}", parallel=2),
        slow=inside("each", waits()),
    )

    while step_without_waking(execution_id):
        pass

    execution = Execution.objects.get(id=execution_id)
    assert (execution.status, execution.open_nodes) == ("success", 0)
    assert set(NodeRun.objects.filter(execution=execution, key="slow").values_list("status", flat=True)) == {"cancelled"}
    assert set(execution.iterations.values_list("status", flat=True)) == {"cancelled"}


def test_what_runs_is_asked_to_stop_and_nothing_follows_of_what_it_still_gives():
    execution_id = raced(
        "start -> quick -> first", "start -> slow -> later -> first", quick=call("tests.count"), slow=call("tests.count"), later=put(x=1)
    )
    step_of(execution_id, "start")
    token = uuid4()
    claim = claimed(execution_id, "slow", token)
    step_of(execution_id, "quick")

    verdict = protocol.renew(held=[(execution_id, claim)])[0]
    result = settled(execution_id, claim, End(NodeRunStatus.SUCCESS, "out", b"1"))

    assert (verdict["is_lost"], verdict["is_cancelled"]) == (False, True)
    assert (result["applied"], result["ready"]) == ([True], [])
    assert drive(execution_id).status == "success"


def test_what_does_not_stop_loses_its_claim():
    execution_id = raced("start -> quick -> first", "start -> slow -> first", quick=call("tests.count"), slow=call("tests.count"))
    step_of(execution_id, "start")
    claim = claimed(execution_id, "slow", uuid4())
    step_of(execution_id, "quick")
    assert Execution.objects.get(id=execution_id).status == "running"

    assert fetch("select * from sweep_stopping_v1(100, interval '1 hour')", {}) == []
    swept = fetch("select * from sweep_stopping_v1(100, interval '0 s')", {})

    assert [row["result"]["status"] for row in swept] == ["success"]
    assert Execution.objects.get(id=execution_id).open_nodes == 0
    assert settled(execution_id, claim, End(NodeRunStatus.SUCCESS, "out", b"1"))["applied"] == [False]


def step_without_waking(execution_id):
    rows = queued(execution_id)
    for row in rows:
        runner.run(execution_id, [row["key"]], row["path"], row["version_id"], hand_over=lambda ready: True)
    return rows


def step_of(execution_id, key):
    runner.run(execution_id, [key], "", Execution.objects.get(id=execution_id).version_id, hand_over=lambda ready: True)


def claimed(execution_id, key, token):
    claim = protocol.claim(execution_id=execution_id, keys=[key], tokens=[token], path="", worker="w", reads=[], wants_input=False)
    return claim.runs[0]


def settled(execution_id, run, end):
    graph = graphs.get(Execution.objects.get(id=execution_id).version_id)
    settlement = Settlement(graph, key=run.key, path=run.path, token=run.token)
    starting = settlement.settle(run.key, end, started=time.monotonic())
    return protocol.settle(execution_id=execution_id, settlements=[settlement.document(starting=starting)])
