"""Large outputs whose store is away, or has lost them: the node says so, and is handled as any that fails."""

from pathlib import Path
from shutil import rmtree
from typing import Any

import pytest
from orjson import loads

from apps.executions.actions import start_execution
from apps.executions.models import Execution, NodeRun
from apps.triggers.webhooks.answering import wait_for_output
from tests.factories import make_version
from tests.workers import functions
from tests.workers.driving import drive, step
from tests.workers.test_runner import START, document, put

pytestmark = pytest.mark.django_db(transaction=True)

RETRY = {"max_attempts": 3, "delay_seconds": 0}
LARGE: dict[str, Any] = {"type": "function", "config": {"function": "tests.large", "arguments": {}}, "retry": RETRY}


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
        {"work": LARGE, "wait": {"type": "control.delay", "config": {"seconds": 60}}, "read": reader, **body},
        "start -> work -> wait -> read",
    )
    while not NodeRun.objects.filter(execution=execution, key="wait", status="waiting").exists():
        step(execution.id)
    rmtree(folder)

    execution = drive(execution.id)

    assert (execution.status, execution.error["code"], execution.error["node"]) == ("failed", "object_missing", "read")


def test_a_webhook_whose_output_is_lost_is_answered_as_accepted_so_that_nobody_sends_it_again(folder):
    execution = begin({"work": LARGE}, "start -> work", output={"text": "${nodes.work}"})
    assert drive(execution.id).status == "success"
    assert wait_for_output(execution.id, seconds=30).status == 200
    rmtree(folder)

    answer = wait_for_output(execution.id, seconds=30)

    assert (answer.status, loads(answer.body)["id"]) == (202, str(execution.id))
