"""Large outputs whose store is away, or has lost them: the node says so, and is handled as any that fails."""

from pathlib import Path
from shutil import rmtree
from typing import Any

import pytest
from orjson import loads

from apps.executions import loop_items
from apps.executions.actions import start_execution
from apps.executions.breakpoints import Breakpoint, start_test_run
from apps.executions.models import Execution, NodeRun
from apps.triggers.webhooks.answering import wait_for_output
from tests.factories import make_version
from tests.workers import functions
from tests.workers.driving import drive, run_queued, step
from tests.workers.test_runner import START, document, put

pytestmark = pytest.mark.django_db(transaction=True)

RETRY = {"max_attempts": 3, "delay_seconds": 0}
LARGE: dict[str, Any] = {"type": "function", "config": {"function": "tests.large", "arguments": {}}, "retry": RETRY}
WAIT = {"type": "control.delay", "config": {"seconds": 60}}


@pytest.fixture
def folder(tmp_path, settings) -> Path:
    functions.calls.clear()
    folder = tmp_path / "outputs"
    settings.OBJECT_STORE_URL = f"file://{folder}"
    return folder


def begin(nodes: dict[str, Any], *lines: str, **rest: Any) -> Execution:
    workflow = make_version(document({"start": START, **nodes}, *lines, **rest)).workflow
    return Execution.objects.get(id=start_execution(workflow=workflow).execution_id)


def break_store(folder: Path, execution: Execution) -> Path:
    """Whatever is written for the workspace finds a file where its folder should be. Returns that file."""
    folder.mkdir(exist_ok=True)
    place = folder / str(execution.workspace_id)
    place.touch()
    return place


def test_a_node_whose_output_cannot_be_stored_fails_and_its_effect_is_not_repeated(folder):
    execution = begin({"work": LARGE}, "start -> work")
    break_store(folder, execution)

    execution = drive(execution.id)

    assert (execution.status, execution.error["code"]) == ("failed", "object_store_failed")
    assert "could not be stored" in execution.error["message"]
    assert str(folder) not in str(execution.error)
    assert len(functions.calls) == 1


def test_a_node_without_an_effect_is_tried_again_until_the_store_is_back(folder):
    text = put(text="x" * 100_000) | {"retry": RETRY}
    execution = begin({"text": text}, "start -> text")
    place = break_store(folder, execution)
    step(execution.id)
    assert NodeRun.objects.get(execution=execution, key="text").status == "retrying"

    place.unlink()

    assert drive(execution.id).status == "success"


@pytest.mark.parametrize(
    "reader",
    [
        put(length="${size(nodes.work)}"),
        {"type": "loop.foreach", "config": {"items": "${[nodes.work]}"}},
        {"type": "function", "config": {"function": "tests.count", "arguments": {}}, "cache": {"ttl_seconds": 60, "key": "${nodes.work}"}},
    ],
    ids=["pure", "loop", "cached"],
)
def test_a_node_that_reads_a_lost_output_fails_and_says_so(folder, reader):
    body = {"inner": put(x=1) | {"parent": "read"}} if "foreach" in reader["type"] else {}
    execution = begin(
        {"work": LARGE, "wait": WAIT, "read": reader, **body},
        "start -> work -> wait -> read",
    )
    run_queued(execution.id)
    rmtree(folder)

    execution = drive(execution.id)

    assert (execution.status, execution.error["code"], execution.error["node"]) == ("failed", "object_missing", "read")


def test_a_node_that_cannot_read_is_tried_again_until_the_store_is_back(folder):
    reader = put(length="${size(nodes.work)}") | {"retry": RETRY}
    execution = begin({"work": LARGE, "wait": WAIT, "read": reader}, "start -> work -> wait -> read")
    run_queued(execution.id)
    kept = (folder / str(execution.workspace_id)).rename(folder / "away")
    place = break_store(folder, execution)
    while not NodeRun.objects.filter(execution=execution, key="read", status="retrying").exists():
        assert step(execution.id)

    place.unlink()
    kept.rename(place)

    assert drive(execution.id).status == "success"


def test_a_breakpoint_whose_condition_reads_a_lost_output_stops_and_says_so(folder):
    nodes = {"work": LARGE, "wait": WAIT, "read": put(x=1)}
    version = make_version(document({"start": START, **nodes}, "start -> work -> wait -> read"))
    stops, owner = [Breakpoint("read", "${size(nodes.work) > 1}")], version.workspace.owner
    execution_id = start_test_run(workflow=version.workflow, version=version, breakpoints=stops, started_by=owner).execution_id
    run_queued(execution_id)
    rmtree(folder)

    drive(execution_id)

    stopped = NodeRun.objects.get(execution_id=execution_id, key="read")
    assert stopped.status == "waiting"
    assert "is missing" in str(stopped.deferred)


def test_a_loop_over_more_than_is_kept_fails_and_says_how_much_that_is(folder, monkeypatch):
    monkeypatch.setattr(loop_items, "MAX_OUTPUT_BYTES", 150_000)
    loop = {"type": "loop.foreach", "config": {"items": "${[nodes.work, nodes.work]}"}}
    execution = begin({"work": LARGE, "loop": loop, "inner": put(x=1) | {"parent": "loop"}}, "start -> work -> loop")

    execution = drive(execution.id)

    assert (execution.status, execution.error["code"]) == ("failed", "items_too_large")
    assert "at most 150000 are kept" in execution.error["message"]


def test_a_webhook_whose_output_is_lost_is_answered_as_accepted_so_that_nobody_sends_it_again(folder):
    execution = begin({"work": LARGE}, "start -> work", output={"text": "${nodes.work}"})
    assert drive(execution.id).status == "success"
    assert wait_for_output(execution.id, seconds=30).status == 200
    rmtree(folder)

    answer = wait_for_output(execution.id, seconds=30)

    assert (answer.status, loads(answer.body)["id"]) == (202, str(execution.id))
