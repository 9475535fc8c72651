"""Loops that are taken up again by a re-run, performed by the real runner on a real PostgreSQL."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.engine.rerun_places import Place
from apps.engine.reruns import EditedNodeRunsAgainError, NothingToRerunError, NotReachedError
from apps.executions.actions import cancel_execution, start_execution
from apps.executions.models import Execution, ExecutionEvent, Gate, Iteration, LoopRun, NodeRun
from apps.executions.rerun_values import ItemNotReadError
from apps.executions.rerunning import FAILED, Iterations, Rerun, rerun_execution
from apps.executions.rerunning import Iteration as OneIteration
from apps.nodes.contract import Effect
from apps.nodes.functions import node_function
from tests.factories import make_version
from tests.workers.driving import drive, step
from tests.workers.test_loops import ITEMS, call, foreach, inside, iterations, waits
from tests.workers.test_runner import START, document, put, run

pytestmark = pytest.mark.django_db(transaction=True)

broken: set[Any] = set()
called: list[Any] = []


@node_function("tests.unless_broken", effect=Effect.IDEMPOTENT)
def unless_broken(value: Any, at: Any = None) -> Any:
    """Note the call and give the value back, unless the service has it among what is broken."""
    called.append((at, value))
    if (at, value) in broken or value in broken:
        raise ValueError(f"{value} is broken")
    return value


@pytest.fixture(autouse=True)
def service():
    broken.clear()
    called.clear()


def work(value: str = "${item}", at: Any = None) -> dict[str, Any]:
    return call("tests.unless_broken", value=value, **({} if at is None else {"at": at}))


def again(execution: Execution, **asked: Any) -> Execution:
    """Run again, with only what is called by that in `called`; the old one stays as it is."""
    called.clear()
    before = rows(execution.id)
    made = rerun_execution(execution=execution, asked=Rerun(**asked), started_by=None)
    new = drive(made.execution_id, rounds=5000)
    assert rows(execution.id) == before
    assert (new.rerun_of_id, new.open_nodes) == (execution.id, 0)
    return new


def rows(execution_id: UUID) -> list[Any]:
    tables: Iterable[Any] = (NodeRun, Iteration, LoopRun, Gate, ExecutionEvent)
    found = [row for table in tables for row in table.objects.filter(execution_id=execution_id).order_by("id").values()]
    return [*Execution.objects.filter(id=execution_id).values(), *found]


def origins(execution: Execution, key: str) -> dict[str, str | None]:
    return dict(NodeRun.objects.filter(execution=execution, key=key).order_by("id").values_list("path", "origin"))


TEN = [f"step{number}" for number in range(1, 11)]


def ten_steps(**config: Any) -> dict[str, Any]:
    """A loop with ten nodes in a row; each hands on what it was given."""
    steps = {
        key: work("${item}" if key == "step1" else f"${{nodes.{before}}}", at=key) for before, key in zip(["", *TEN], TEN, strict=False)
    }
    nodes = {
        "start": START,
        "each": foreach(**config),
        **{key: inside("each", node) for key, node in steps.items()},
        "after": put(all="${nodes.each}"),
    }
    return document(nodes, "start -> each -> after", " -> ".join(TEN), **ITEMS)


@pytest.mark.parametrize("parallel", [1, 2, 10])
@pytest.mark.parametrize("edited", ["the output before it", "the item"])
def test_node_8_fails_in_iteration_3_its_input_is_edited_and_nodes_1_to_7_are_not_called_again(parallel, edited):
    broken.add(("step8", 3))
    definition = ten_steps(parallel=parallel)
    if edited == "the item":
        node = next(node for node in definition["nodes"] if node["key"] == "step8")
        node["config"]["arguments"]["value"] = "${item}"
    old = run(definition, {"items": list(range(6))})
    assert (old.status, old.error["details"]["error"]["node"]) == ("failed", "step8")
    begun = set(NodeRun.objects.filter(execution=old, key="step7", status="success").values_list("path", flat=True))

    given = {"outputs": {"step7[3]": 33}} if edited == "the output before it" else {"items": {"each[3]": 33}}
    new = again(old, origin=Place("step8", "3"), **given)

    assert new.error is None
    assert new.output == {"all": [0, 1, 2, 33, 4, 5]}
    early = [at for at, _ in called if at in TEN[:7]]
    never_begun = [str(index) for index in range(6) if str(index) not in begun]
    assert early.count("step7") == len(never_begun)
    assert not [value for at, value in called if at == "step7" and str(value) in begun]
    assert ("step8", 33) in called
    assert origins(new, "step7")["3"] == ("edited" if edited == "the output before it" else "reused")
    assert origins(new, "step3")["0"] == "reused"
    assert origins(new, "step8")["3"] is None


def test_node_8_fails_in_iteration_3_of_those_collected_and_is_run_again_alone():
    broken.add(("step8", 3))
    old = run(ten_steps(on_failure="collect", parallel=2), {"items": list(range(6))})
    assert old.status == "success"
    broken.clear()

    new = again(old, origin=Place("step8", "3"))

    assert new.output == {"all": [0, 1, 2, 3, 4, 5]}
    assert called == [("step8", 3), ("step9", 3), ("step10", 3)]


def table(**outer: Any) -> dict[str, Any]:
    nodes = {
        "start": START,
        "outer": foreach("${input.rows}", parallel=10),
        "row": inside("outer", work("${index}", at="row")),
        "inner": inside("outer", foreach("${item.cells}", **outer)),
        "cell": inside("inner", work("${item.n}", at="cell")),
        "more": inside("inner", work("${nodes.cell}", at="more")),
        "sum": inside("outer", put(cells="${nodes.inner}")),
        "end": work("${nodes.outer.size()}", at="end"),
    }
    return document(nodes, "start -> outer -> end", "row -> inner -> sum", "cell -> more", output={"rows": "${nodes.outer}"})


ROWS = [{"cells": [{"n": row * 20 + cell} for cell in range(20)]} for row in range(100)]
BAD = {(3, 7), (50, 0), (99, 19)}


def test_three_of_a_hundred_times_twenty_failed_and_are_run_again_alone():
    broken.update(("cell", row * 20 + cell) for row, cell in BAD)
    old = run(table(on_failure="collect", parallel=5), {"rows": ROWS})
    failed = Iteration.objects.filter(execution=old, key="inner", status="failed").values_list("path", flat=True)
    assert {tuple(map(int, path.split("."))) for path in failed} == BAD
    broken.clear()

    new = again(old, origin=Iterations("inner", "failed"))

    assert new.error is None
    numbers = {row * 20 + cell for row, cell in BAD}
    assert sorted(map(str, called)) == sorted(map(str, [*(("cell", n) for n in numbers), *(("more", n) for n in numbers), ("end", 100)]))
    assert new.output == {"rows": [{"cells": [cell["n"] for cell in row["cells"]]} for row in ROWS]}
    assert Iteration.objects.filter(execution=new, status="success").count() == 100 + 2000
    assert {path for path, origin in origins(new, "cell").items() if origin is None} == set(failed)
    assert {path for path, origin in origins(new, "sum").items() if origin is None} == {"3", "50", "99"}


def test_one_place_in_a_nested_loop_is_run_again_and_a_re_run_of_that_too():
    old = run(table(), {"rows": ROWS[:3]})

    new = again(old, origin=Place("more", "1.4"))
    assert called == [("more", 24), ("end", 3)]
    assert new.output == old.output

    newest = again(new, origin=(Place("cell", "0.2"), Place("more", "1.4")))
    assert sorted(called) == [("cell", 2), ("end", 3), ("more", 2), ("more", 24)]
    assert newest.output == old.output
    assert NodeRun.objects.get(execution=newest, key="cell", path="2.2").origin_execution == old.id


def test_from_failed_takes_nested_loops_up_where_they_stood():
    broken.add(("more", 24))
    old = run(table(parallel=3), {"rows": ROWS[:20]})
    assert (old.status, old.error["node"]) == ("failed", "outer")
    done = set(NodeRun.objects.filter(execution=old, status="success", key__in=["row", "cell", "more"]).values_list("key", "path"))
    broken.clear()

    new = again(old, origin=FAILED)

    assert new.output == {"rows": [{"cells": [cell["n"] for cell in row["cells"]]} for row in ROWS[:20]]}
    reused = NodeRun.objects.filter(execution=new, origin="reused", key__in=["row", "cell", "more"])
    assert set(reused.values_list("key", "path")) == done
    assert len(called) == 20 + 400 + 400 - len(done) + 1
    assert len(set(called)) == len(called)


def test_a_whole_iteration_runs_again_with_another_item():
    old = run(table(), {"rows": ROWS[:3]})

    new = again(old, origin=OneIteration("outer", "1"), items={"outer[1]": {"cells": [{"n": -1}]}})

    assert new.output["rows"][1] == {"cells": [-1]}
    assert new.output["rows"][2] == old.output["rows"][2]
    assert sorted(called) == [("cell", -1), ("end", 3), ("more", -1), ("row", 1)]


def test_items_in_the_object_store_are_edited_there():
    items = [{"n": n, "text": "x" * 50_000} for n in range(30)]
    nodes = {"start": START, "each": foreach(), "work": inside("each", work("${item.n}"))}
    old = run(document(nodes, "start -> each", **ITEMS), {"items": items})

    new = again(old, origin=Place("work", "17"), items={"each[17]": {"n": 170, "text": ""}})

    assert new.output == [*range(17), 170, *range(18, 30)]
    assert called == [(None, 170)]
    assert LoopRun.objects.get(execution=new).blocks[0] == LoopRun.objects.get(execution=old).blocks[0]


def test_an_output_in_place_of_what_failed_ends_its_iteration():
    broken.add(2)
    nodes = {"start": START, "each": foreach(on_failure="collect"), "work": inside("each", work())}
    old = run(document(nodes, "start -> each", **ITEMS), {"items": [1, 2, 3]})

    new = again(old, origin=Iterations("each", "failed"), outputs={"work[1]": 22})

    assert (new.output, called) == ([1, 22, 3], [])


def test_what_failed_may_fail_again_and_ends_the_loop_again():
    broken.add(2)
    nodes = {"start": START, "each": foreach(), "work": inside("each", work())}
    old = run(document(nodes, "start -> each", **ITEMS), {"items": [1, 2, 3]})

    new = again(old, origin=FAILED)
    assert (new.status, new.error["details"]["path"], called) == ("failed", "1", [(None, 2)])
    assert iterations(new) == [("0", "success"), ("1", "failed")]

    broken.clear()
    assert again(new, origin=FAILED).output == [1, 2, 3]
    assert called == [(None, 2), (None, 3)]


def test_no_more_iterations_go_on_at_once_than_the_loop_allows():
    broken.update(range(20))
    nodes = {"start": START, "each": foreach(on_failure="collect", parallel=3), "work": inside("each", work())}
    old = run(document(nodes, "start -> each", **ITEMS), {"items": list(range(21))})
    broken.clear()
    made = rerun_execution(execution=old, asked=Rerun(origin=Iterations("each", "failed")), started_by=None)

    most = 0
    while step(made.execution_id):
        open_now = NodeRun.objects.filter(execution_id=made.execution_id, key="work").exclude(status="success").count()
        most = max(most, open_now)

    assert most == 3
    assert Execution.objects.get(id=made.execution_id).output == list(range(21))


def test_a_cancelled_loop_goes_on_with_what_had_not_ended():
    nodes = {"start": START, "each": foreach(parallel=2), "work": inside("each", work()), "wait": inside("each", waits())}
    version = make_version(document(nodes, "start -> each", "work -> wait", **ITEMS))
    execution_id = start_execution(workflow=version.workflow, input={"items": [1, 2, 3]}).execution_id
    step(execution_id)
    step(execution_id)
    assert cancel_execution(execution_id=execution_id) == "cancelled"

    new = again(Execution.objects.get(id=execution_id), origin=FAILED)

    assert (new.status, called) == ("success", [(None, 3)])


def test_a_cancelled_re_run_leaves_no_iteration_open():
    broken.update(range(5))
    nodes = {"start": START, "each": foreach(on_failure="collect"), "work": inside("each", work())}
    old = run(document(nodes, "start -> each", **ITEMS), {"items": list(range(5))})
    made = rerun_execution(execution=old, asked=Rerun(origin=Iterations("each", "failed")), started_by=None)
    step(made.execution_id)
    assert dict(iterations(Execution.objects.get(id=made.execution_id)))["4"] == "pending"

    cancel_execution(execution_id=made.execution_id)

    assert {status for _, status in iterations(Execution.objects.get(id=made.execution_id))} == {"cancelled"}


def test_while_goes_on_from_the_iteration_chosen():
    config = {"condition": "${index == 0 || item < 40}", "max_iterations": 20}
    nodes = {
        "start": START,
        "loop": {"type": "loop.while", "config": config},
        "work": inside("loop", work("${index == 0 ? 10 : item + 10}")),
    }
    broken.add(30)
    old = run(document(nodes, "start -> loop"))
    assert old.status == "failed"
    broken.clear()

    new = again(old, origin=FAILED)
    assert (new.output, called) == ({"count": 4, "last": 40}, [(None, 30), (None, 40)])

    edited = again(new, origin=OneIteration("loop", "2"), outputs={"work[1]": 25})
    assert (edited.output, called) == ({"count": 4, "last": 45}, [(None, 35), (None, 45)])


def test_a_loop_of_pure_nodes_is_taken_up_again():
    nodes = {
        "start": START,
        "each": foreach("${input.items}"),
        "half": inside("each", put(x="${10 / item}")),
        "last": inside("each", put(y="${nodes.half.x}")),
    }
    old = run(document(nodes, "start -> each", "half -> last"), {"items": [1, 2, 0, 5]})
    assert old.status == "failed"

    new = again(old, origin=FAILED, items={"each[2]": 10})

    assert new.output == [{"y": 10}, {"y": 5}, {"y": 1}, {"y": 2}]
    assert origins(new, "half") == {"0": "reused", "1": "reused", "2": None, "3": None}


def test_the_time_of_a_loop_that_is_taken_up_begins_anew():
    broken.add(2)
    nodes = {"start": START, "each": foreach() | {"timeout_seconds": 60}, "work": inside("each", work())}
    old = run(document(nodes, "start -> each", **ITEMS), {"items": [1, 2, 3]})
    LoopRun.objects.update(deadline_at="2020-01-01T00:00Z")
    broken.clear()
    new = again(old, origin=FAILED)

    assert new.output == [1, 2, 3]
    assert (LoopRun.objects.get(execution=new).deadline_at - new.created_at).total_seconds() > 59


def test_joins_in_an_iteration_are_counted_on():
    #  check ─true─▶ large ─┐
    #      └──────▶ small ──┴▶ both
    nodes = {
        "start": START,
        "each": foreach(on_failure="collect"),
        "first": inside("each", work(at="first")),
        "left": inside("each", work(at="left")),
        "right": inside("each", work(at="right")),
        "both": inside("each", put(x="${nodes.left + nodes.right}")),
    }
    broken.add(("left", 2))
    old = run(document(nodes, "start -> each", "first -> left -> both", "first -> right -> both", **ITEMS), {"items": [1, 2, 3]})
    broken.clear()

    new = again(old, origin=Iterations("each", "failed"))

    assert new.output == [{"x": 2}, {"x": 4}, {"x": 6}]
    assert {at for at, _ in called} <= {"left", "right"}
    assert ("left", 2) in called


def test_what_cannot_be_is_refused_and_named():
    broken.add(2)
    nodes = {"start": START, "each": foreach(), "work": inside("each", work()), "more": inside("each", work(at="more"))}
    old = run(document(nodes, "start -> each", "work -> more", **ITEMS), {"items": [1, 2, 3]})

    def refused(**asked: Any) -> Any:
        return rerun_execution(execution=old, asked=Rerun(**asked), started_by=None)

    with pytest.raises(NotReachedError, match=r"each\[2\]"):
        refused(origin=Place("work", "2"))
    with pytest.raises(NotReachedError, match=r"more\[1\]"):
        refused(origin=Place("more", "1"))
    with pytest.raises(NothingToRerunError, match="each"):
        refused(origin=Iterations("each", "cancelled"))
    with pytest.raises(EditedNodeRunsAgainError, match=r"work\[0\]"):
        refused(origin=Place("each"), outputs={"work[0]": 1})
    with pytest.raises(EditedNodeRunsAgainError, match=r"more\[1\]"):
        refused(origin=FAILED, outputs={"more[1]": 1})
    with pytest.raises(ItemNotReadError, match=r"each\[0\]"):
        refused(origin=FAILED, items={"each[0]": 1})
    assert Execution.objects.count() == 1


def test_as_many_statements_whether_few_or_many_iterations_are_taken_over():
    nodes = {"start": START, "each": foreach(on_failure="collect"), "work": inside("each", put(x="${1 / (item % 2)}"))}
    definition = document(nodes, "start -> each", **ITEMS)

    def statements(count: int) -> int:
        old = run(definition, {"items": list(range(count))})
        with CaptureQueriesContext(connection) as captured:
            rerun_execution(execution=old, asked=Rerun(origin=Iterations("each", "failed")), started_by=None)
        return len(captured)

    statements(2)  # the version is compiled once
    assert statements(4) == statements(400)
