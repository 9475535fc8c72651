"""Brief nodes of several iterations that share a message, a claim and a settle."""

from typing import Any
from uuid import UUID, uuid4

import pytest

from apps.executions import places
from apps.executions.actions import cancel_execution, start_execution
from apps.executions.breakpoints import go_on
from apps.executions.connection import fetch
from apps.executions.handoff import RUN_NODE, RUN_PLACES
from apps.executions.models import Execution, Hold, NodeRun
from tests.factories import make_version
from tests.processes import wait_for
from tests.workers import functions
from tests.workers.delivering import Broker
from tests.workers.driving import drive
from tests.workers.test_loops import ITEMS, call, fails_at, foreach, inside, iterations, waits
from tests.workers.test_runner import START, document, put
from tests.workers.test_sweepers import redis, sweeper  # noqa: F401  # fixtures
from workers import leases, runner

pytestmark = pytest.mark.django_db(transaction=True)


class Death(BaseException):
    """No Exception, so that it comes out of the runner, as the end of its process does."""


@pytest.fixture
def broker():
    made = Broker()
    made.redis.flushall()
    functions.calls.clear()
    yield made
    functions.deeds.clear()


def brief(value: Any = "${item}") -> dict[str, Any]:
    return call("tests.brief", value=value)


def started(definition: dict[str, Any], items: Any, **rest: Any) -> UUID:
    """An execution whose first message waits in the broker."""
    return start_execution(workflow=make_version(definition).workflow, input={"items": items}, **rest).execution_id


def a_loop(body: dict[str, Any] | None = None, **config: Any) -> dict[str, Any]:
    nodes = {"start": START, "each": foreach(**{"parallel": 1000} | config), "work": inside("each", body or brief())}
    return document(nodes, "start -> each", **ITEMS)


def begun(broker: Broker, definition: dict[str, Any], items: Any) -> tuple[UUID, list[Any]]:
    """An execution whose loop has begun, and the messages of its iterations."""
    execution_id = started(definition, items)
    broker.deliver(broker.take())
    functions.calls.clear()
    return execution_id, broker.take()


def found(execution_id: UUID) -> Execution:
    return Execution.objects.get(id=execution_id)


def paths_called() -> list[str]:
    return [path for _, path in functions.calls]


def look_at(execution_id: UUID, *named: tuple[str, str]) -> None:
    runner.run_places(execution_id, list(named), found(execution_id).version_id)


def test_iterations_share_messages_and_each_has_its_own_item_and_output(broker):
    execution_id, messages = begun(broker, a_loop(), [{"n": i} for i in range(64)])

    assert [name for name, _ in messages] == [RUN_PLACES] * 8
    assert all(len(arguments[1]) == 8 for _, arguments in messages)
    broker.deliver(messages)
    broker.deliver_all()

    execution = found(execution_id)
    assert (execution.status, execution.open_nodes) == ("success", 0)
    assert execution.output == [{"n": i} for i in range(64)]
    assert sorted(paths_called(), key=int) == [str(i) for i in range(64)], "each was called once"


def test_what_follows_in_these_iterations_and_the_next_iterations_share_again(broker):
    #  work ─▶ more ─▶ last
    nodes = {"start": START, "each": foreach(parallel=64), "work": inside("each", brief())}
    nodes |= {"more": inside("each", brief("${nodes.work + 1}")), "last": inside("each", put(sum="${nodes.more + item}"))}
    execution_id = started(document(nodes, "start -> each", "work -> more -> last", **ITEMS), list(range(128)))

    broker.deliver_all()

    assert found(execution_id).output == [{"sum": 2 * i + 1} for i in range(128)]
    # 128 iterations, 64 at a time, with two nodes each that do not ride along: eight to a message, as in the first one.
    assert broker.delivered == {RUN_NODE: 1, RUN_PLACES: 2 * 128 / 8}


def test_nested_loops_read_the_values_of_each_of_their_levels(broker):
    nodes = {
        "start": START,
        "before": put(factor=10),
        "outer": foreach("${input.items}", parallel=20),
        "row": inside("outer", brief("${item.base}")),
        "inner": inside("outer", foreach("${item.cells}", parallel=50)),
        "cell": inside("inner", brief("${item * nodes.before.factor + nodes.row}")),
    }
    rows = [{"base": row, "cells": list(range(row, row + 20))} for row in range(20)]
    execution_id = started(document(nodes, "start -> before -> outer", "row -> inner"), rows)

    broker.deliver_all()

    execution = found(execution_id)
    assert (execution.error, execution.open_nodes) == (None, 0)
    assert execution.output == [[cell * 10 + row["base"] for cell in row["cells"]] for row in rows]
    assert broker.delivered[RUN_PLACES] > 0
    assert len(functions.calls) == len(set(functions.calls)) == 20 + 20 * 20


def test_places_of_several_loops_and_levels_in_one_message(broker):
    nodes = {
        "start": START,
        "outer": foreach("${input.items}", parallel=3),
        "row": inside("outer", brief("${item.base}")),
        "inner": inside("outer", foreach("${item.cells}", parallel=3)),
        "cell": inside("inner", brief("${item}")),
    }
    execution_id, _ = begun(broker, document(nodes, "start -> outer"), [{"base": i, "cells": [[i, 0], [i, 1]]} for i in range(3)])
    for path in "012":
        runner.run(execution_id, ["inner"], path, found(execution_id).version_id, hand_over=lambda ready: True)

    look_at(execution_id, ("cell", "0.1"), ("row", "2"), ("cell", "2.0"), ("row", "0"), ("cell", "2.1"), ("cell", "0.0"))

    outputs = {
        (run.key, run.path): run.output
        for run in NodeRun.objects.filter(execution_id=execution_id, key__in=["cell", "row"], status="success")
    }
    cells = {("cell", path): [int(part) for part in path.split(".")] for path in ("0.1", "2.0", "2.1", "0.0")}
    assert outputs == {("row", "2"): 2, ("row", "0"): 0, **cells}
    assert drive(execution_id).output == [{"row": i, "inner": [[i, 0], [i, 1]]} for i in range(3)]


def test_items_that_are_many_come_out_of_the_object_store(broker):
    items = [{"n": i, "text": "x" * 20_000} for i in range(40)]
    execution_id = started(a_loop(brief("${item.n}")), items)

    broker.deliver_all()

    assert found(execution_id).output == list(range(40))


def test_iterations_of_a_loop_that_asks_are_about_the_output_of_the_one_before(broker):
    config = {"condition": "${index < 3}", "max_iterations": 5}
    nodes = {
        "start": START,
        "outer": foreach("${input.items}", parallel=3),
        "inner": inside("outer", {"type": "loop.while", "config": config}),
        "count": inside("inner", brief("${index == 0 ? 1 : item + 1}")),
    }
    execution_id, _ = begun(broker, document(nodes, "start -> outer"), [1, 2, 3])
    version_id = found(execution_id).version_id
    for index in range(3):
        for path in "012":
            runner.run(execution_id, ["inner"], path, version_id, hand_over=lambda ready: True)
        look_at(execution_id, *(("count", f"{path}.{index}") for path in "012"))

    assert drive(execution_id).output == [{"count": 3, "last": 3}] * 3


def test_only_what_is_free_of_what_a_message_names_is_performed_and_once(broker):
    execution_id, _ = begun(broker, a_loop(), list(range(8)))
    runner.run(execution_id, ["work"], "1", found(execution_id).version_id, hand_over=lambda ready: True)  # done
    NodeRun.objects.filter(execution_id=execution_id, path="2").update(stop_requested_at="2020-01-01T00:00Z")  # to stop
    elsewhere = places.Wanted("work", "3", loop="each", index=3, reads=[])
    [held] = places.claim_places(execution_id=execution_id, wanted=[elsewhere], worker="elsewhere/1:2:3")  # somebody else's
    functions.calls.clear()

    look_at(execution_id, *(("work", path) for path in ("99", "1", "2", "3", "4", "4", "0")))

    assert functions.calls == [("work", "4"), ("work", "0")]
    states = dict(NodeRun.objects.filter(execution_id=execution_id, key="work").order_by("id").values_list("path", "status"))
    assert [states[str(i)] for i in range(8)] == ["success", "success", "queued", "running", "success", "queued", "queued", "queued"]
    assert NodeRun.objects.get(execution_id=execution_id, path="3").claim_token == held.runs[0].token


@pytest.mark.parametrize("named", [[("gone", "0"), ("work", "1")], [("work", "0"), ("work", "x")]])
def test_a_message_that_names_nonsense_is_dropped_and_nothing_is_claimed(broker, named):
    execution_id, _ = begun(broker, a_loop(), list(range(4)))

    look_at(execution_id, *named)

    assert functions.calls == []
    assert set(NodeRun.objects.filter(execution_id=execution_id, key="work").values_list("status", flat=True)) == {"queued"}


def test_nothing_of_it_is_claimed_where_the_execution_does_not_run(broker):
    execution_id, messages = begun(broker, a_loop(), list(range(64)))
    cancel_execution(execution_id=execution_id)

    broker.deliver(messages)

    assert functions.calls == []
    assert found(execution_id).status == "cancelled"


def test_what_is_held_stays_queued(broker):
    execution_id, messages = begun(broker, a_loop(), list(range(64)))
    execution = found(execution_id)
    Hold.objects.create(workspace_id=execution.workspace_id, workflow_id=execution.workflow_id, node_key="work", reason="x")

    broker.deliver(messages)

    assert functions.calls == []
    assert NodeRun.objects.filter(execution_id=execution_id, key="work", status="queued").count() == 64


def test_a_breakpoint_stops_each_iteration_before_its_node_and_lets_it_go_on(broker):
    execution_id, messages = begun(broker, a_loop(), list(range(64)))
    Execution.objects.filter(id=execution_id).update(breakpoints={"is_stepping": False, "nodes": {"work": None}})

    broker.deliver(messages)
    assert functions.calls == []
    assert NodeRun.objects.filter(execution_id=execution_id, waits_for="breakpoint", status="waiting").count() == 64
    go_on(execution_id=execution_id)
    broker.deliver_all()

    assert found(execution_id).output == list(range(64))


def test_the_first_failure_keeps_the_others_of_its_message_from_being_performed(broker):
    execution_id, [message, *_] = begun(broker, a_loop(), [1, 2, "bad", *range(61)])

    broker.deliver([message])

    assert paths_called() == ["0", "1", "2"]
    broker.deliver_all()
    execution = found(execution_id)
    assert (execution.status, execution.error["code"], execution.open_nodes) == ("failed", "iteration_failed", 0)
    assert iterations(execution) == [(str(i), "success" if i < 2 else "failed" if i == 2 else "cancelled") for i in range(64)]
    assert paths_called() == ["0", "1", "2"]


def test_failures_are_collected_and_the_others_of_the_message_go_on(broker):
    execution_id = started(a_loop(on_failure="collect"), ["bad" if i % 10 == 0 else i for i in range(64)])

    broker.deliver_all()

    execution = found(execution_id)
    assert [isinstance(output, dict) for output in execution.output] == [i % 10 == 0 for i in range(64)]
    assert len(functions.calls) == len(set(functions.calls)) == 64


def test_what_fails_inside_stops_no_other_loop(broker):
    nodes = {
        "start": START,
        "outer": foreach("${input.items}", parallel=3, on_failure="collect"),
        "inner": inside("outer", foreach("${item}", parallel=3)),
        "cell": inside("inner", brief("${item}")),
    }
    execution_id, _ = begun(broker, document(nodes, "start -> outer"), [[1, 2, 3], ["bad", 5, 6], [7, 8, 9]])
    for path in "012":
        runner.run(execution_id, ["inner"], path, found(execution_id).version_id, hand_over=lambda ready: True)

    look_at(execution_id, *(("cell", f"{row}.{cell}") for cell in range(3) for row in range(3)))

    assert paths_called() == ["0.0", "1.0", "2.0", "0.1", "2.1", "0.2", "2.2"]
    output = drive(execution_id).output
    assert (output[0], output[1]["error"]["code"], output[2]) == ([1, 2, 3], "iteration_failed", [7, 8, 9])


def test_what_others_stop_meanwhile_is_not_performed_once_a_renewal_has_told(broker):
    execution_id, [message, *_] = begun(broker, a_loop(), [{"do": "stop"}, *range(63)])

    def stop(path: str) -> None:
        NodeRun.objects.filter(execution_id=execution_id, path__in=["3", "5"]).update(stop_requested_at="2020-01-01T00:00Z")
        runner.process_leases().renew(list(runner.process_leases()._held))

    functions.deeds["stop"] = stop
    broker.deliver([message])

    assert paths_called() == ["0", "1", "2", "4", "6", "7"]
    assert set(NodeRun.objects.filter(execution_id=execution_id, path__in=["3", "5"]).values_list("status", flat=True)) == {"cancelled"}


def test_what_waits_in_a_message_behind_a_slow_one_asks_by_itself_whether_it_is_stopped(broker, monkeypatch):
    """Long before its lease is renewed; of what has begun nothing is asked sooner."""
    monkeypatch.setattr(leases, "RENEW_AFTER_SECONDS", 3600)
    execution_id, [message, *_] = begun(broker, a_loop(), [{"do": "stop"}, *range(63)])
    renewed: list[bool] = []

    def stop(path: str) -> None:
        NodeRun.objects.filter(execution_id=execution_id, path__in=["0", "3", "5"]).update(stop_requested_at="2020-01-01T00:00Z")
        held = {one.run.path: one for one in runner.process_leases()._held}
        wait_for(lambda: held["3"].is_to_stop and held["5"].is_to_stop, within_seconds=20)
        renewed.append(held["0"].is_to_stop)

    functions.deeds["stop"] = stop
    broker.deliver([message])

    assert paths_called() == ["0", "1", "2", "4", "6", "7"]
    assert renewed == [False]


def test_a_claim_that_is_lost_in_the_middle_loses_no_other(broker):
    execution_id, [message, *_] = begun(broker, a_loop(), [{"do": "take"}, *range(63)])
    theirs = uuid4()

    def take(path: str) -> None:
        NodeRun.objects.filter(execution_id=execution_id, path="2").update(claim_token=theirs)

    functions.deeds["take"] = take
    broker.deliver([message])

    run = NodeRun.objects.get(execution_id=execution_id, path="2")
    assert (run.status, run.claim_token) == ("running", theirs)
    assert NodeRun.objects.filter(execution_id=execution_id, key="work", status="success").count() == 7


def test_a_worker_that_dies_half_way_costs_its_own_iterations_a_second_run(broker, sweeper):  # noqa: F811
    execution_id, [message, *others] = begun(broker, a_loop(), [{"do": "die"}, *range(63)])

    def die(path: str) -> None:
        raise Death

    functions.deeds["die"] = die
    with pytest.raises(Death):
        broker.deliver([message])
    functions.deeds["die"] = lambda path: None
    broker.deliver(others)
    assert NodeRun.objects.filter(execution_id=execution_id, key="work", status="running").count() == 8
    fetch("update node_run set lease_until = clock_timestamp() where status = 'running' and key = 'work' returning 1 as one", {})

    sweeper.rescue()
    broker.deliver_all()

    execution = found(execution_id)
    assert (execution.status, execution.open_nodes) == ("success", 0)
    attempts = dict(NodeRun.objects.filter(execution_id=execution_id, key="work").values_list("path", "attempt"))
    assert attempts == {str(i): 2 if i < 8 else 1 for i in range(64)}
    assert len(functions.calls) == 64 + 1


def test_a_body_that_waits_or_is_tried_again_goes_on_by_itself(broker):
    nodes = {"start": START, "each": foreach(parallel=16), "work": inside("each", brief()), "wait": inside("each", waits(1))}
    execution_id = started(document(nodes, "start -> each", "work -> wait", **ITEMS), list(range(20)))

    broker.deliver_all()
    assert NodeRun.objects.filter(execution_id=execution_id, key="wait", status="waiting").count() == 16
    execution = drive(execution_id)

    assert (execution.status, execution.open_nodes) == ("success", 0)
    assert len(functions.calls) == len(set(functions.calls)) == 20


def test_a_pure_failure_that_rides_along_stops_the_loop_too(broker):
    nodes = {"start": START, "each": foreach(parallel=64), "work": inside("each", brief()), "check": inside("each", fails_at("item == 1"))}
    execution_id, [message, *_] = begun(broker, document(nodes, "start -> each", "work -> check", **ITEMS), list(range(64)))

    broker.deliver([message])

    assert paths_called() == ["0", "1"]
    broker.deliver_all()
    assert found(execution_id).error["code"] == "iteration_failed"
