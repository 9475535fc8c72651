"""`manage.py run_workflow`, with the real runner in a thread in place of the worker process."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connections

from apps.accounts.actions import create_user
from apps.executions.models import Execution, NodeRun
from apps.executions.shell import run
from apps.workflows.models import WorkflowVersion
from tests.workers.driving import drive

pytestmark = pytest.mark.django_db(transaction=True)

FLAKY = {"type": "control.fail", "config": {"message": "the printer is out of ink", "code": "no_ink"}, "on_error": "continue"}
#  start ─▶ large? ─true─▶ review ──┐
#            └false▶ approve ───────┴▶ print (fails, goes on)
DEFINITION: dict[str, Any] = {
    "name": "invoices",
    "inputs": {"number": "string", "amount": "number", "note": "string?"},
    "nodes": [
        {"key": "start", "type": "trigger.manual"},
        {"key": "is_large", "type": "control.if", "config": {"condition": "${amount > 1000}"}},
        {"key": "review", "type": "data.set", "config": {"values": {"by": "manager"}}},
        {"key": "approve", "type": "data.set", "config": {"values": {"by": "rule"}}},
        {"key": "print", **FLAKY},
    ],
    "edges": [
        {"source": "start", "port": "out", "target": "is_large"},
        {"source": "is_large", "port": "true", "target": "review"},
        {"source": "is_large", "port": "false", "target": "approve"},
        {"source": "review", "port": "out", "target": "print"},
        {"source": "approve", "port": "out", "target": "print"},
    ],
    "output": {"way": "${amount > 1000 ? 'review' : 'approve'}", "amount": "${amount}"},
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    create_user(username="boss", password="a long password", is_superuser=True)
    (tmp_path / "invoices.json").write_text(json.dumps(DEFINITION))
    return tmp_path


@contextmanager
def a_worker(executions: int) -> Iterator[None]:
    """Runs that many executions to their end, as they are started."""
    is_over = threading.Event()

    def work() -> None:
        done: set[object] = set()
        while len(done) < executions and not is_over.wait(0.02):
            for execution in Execution.objects.exclude(pk__in=done):
                drive(execution.pk)
                done.add(execution.pk)
        connections.close_all()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


def write(folder: Path, name: str, content: str | bytes) -> str:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(path)


def run_workflow(folder: Path, *arguments: str, definition: str = "invoices.json") -> int:
    """The exit status."""
    try:
        call_command("run_workflow", str(folder / definition), *arguments)
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def refusal(folder: Path, *arguments: str, definition: str = "invoices.json") -> str:
    with pytest.raises(CommandError) as refused:
        run_workflow(folder, *arguments, definition=definition)
    assert refused.value.returncode == 2
    assert not Execution.objects.exists()
    return str(refused.value)


def test_one_execution_is_shown_node_by_node(folder, capsys):
    path = write(folder, "input.json", '{"number": "7", "amount": 2000}')

    with a_worker(1):
        status = run_workflow(folder, "--input", path, "--follow")

    text = capsys.readouterr().out
    assert status == 0
    assert "✓ review" in text
    assert "– approve" in text
    assert "✗ print" in text
    assert "the printer is out of ink" in text
    assert "invoices: success in" in text
    assert json.loads(text[text.index("\n{") :]) == {"way": "review", "amount": 2000}


def test_a_failed_execution_is_exit_status_1(folder, capsys):
    failing = {**DEFINITION, "nodes": [*DEFINITION["nodes"][:-1], {**DEFINITION["nodes"][-1], "on_error": "fail"}]}
    write(folder, "invoices.json", json.dumps(failing))
    path = write(folder, "input.json", '{"number": "7", "amount": 2000}')

    with a_worker(1):
        status = run_workflow(folder, "--input", path, "--follow")

    assert status == 1
    assert "no_ink: the printer is out of ink" in capsys.readouterr().out


def test_each_row_of_a_table_is_an_execution(folder, capsys):
    rows = "number,amount,note\n1,20,\n2,2000,urgent\n1,30,sent twice\n3,1.5e3,\n"
    path = write(folder, "rows.csv", rows)

    with a_worker(3):
        status = run_workflow(folder, "--input", path, "--key", "number", "--group-by", "way", "--follow")

    text = capsys.readouterr().out
    assert status == 0
    assert "line 4: 1 came in line 2 already; left out" in text
    assert "3 executions started" in text
    assert "way: approve" in text
    assert "way: review" in text
    inputs = list(Execution.objects.order_by("business_key").values_list("business_key", "input"))
    assert inputs == [
        ("1", {"number": "1", "amount": 20}),
        ("2", {"number": "2", "amount": 2000, "note": "urgent"}),
        ("3", {"number": "3", "amount": 1500.0}),
    ]


def test_without_follow_it_only_starts(folder, capsys):
    path = write(folder, "input.yaml", 'number: "7"\namount: 20\n')

    assert run_workflow(folder, "--input", path) == 0

    assert str(Execution.objects.get().pk) in capsys.readouterr().out
    assert NodeRun.objects.get().status == "queued"


def test_unchanged_content_makes_no_new_version(folder):
    path = write(folder, "input.json", '{"number": "7", "amount": 20}')
    run_workflow(folder, "--input", path)
    run_workflow(folder, "--input", path)
    assert WorkflowVersion.objects.count() == 1

    write(folder, "invoices.json", json.dumps({**DEFINITION, "description": "Now with words."}))
    run_workflow(folder, "--input", path)

    assert WorkflowVersion.objects.count() == 2
    assert Execution.objects.order_by("-created_at")[0].version.number == 2


def test_who_waits_without_a_worker_is_told_and_the_time_ends(folder, capsys, monkeypatch):
    monkeypatch.setattr(run, "NO_WORKER_AFTER_SECONDS", 0.0)
    path = write(folder, "input.json", '{"number": "7", "amount": 20}')

    assert run_workflow(folder, "--input", path, "--follow", "--timeout", "0.1") == 1

    text = capsys.readouterr().out
    assert "No worker has picked it up yet" in text
    assert "still running" in text


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("x.json", '{"name": "a", }', "Not JSON"),
        ("x.json", b'{"name": "\xff"}', "UTF-8"),
        ("x.yaml", "name: [a", "Not YAML"),
        ("x.json", "[]", "/"),
        ("x.json", '{"name": "a", "nodes": [{"key": "b", "type": "data.sett"}]}', "/nodes/0/type"),
    ],
)
def test_a_bad_definition_is_refused_with_its_place(folder, name, content, said):
    write(folder, name, content)

    assert said in refusal(folder, definition=name)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("rows.csv", "", "names of the columns"),
        ("rows.csv", "number,amount\n", "at least one row"),
        ("rows.csv", "number,number\n1,2\n", "a different name for every column"),
        ("rows.csv", "number,amount\n1\n", "line 2: expected 2 cells, found 1"),
        ("rows.csv", b"number,amount\n1,\xff\n", "expected UTF-8"),
        ("rows.csv", "number,amount\n1,many\n", "/amount"),
        ("rows.csv", 'number,amount\n"1,20\n', "line 2"),
        ("input.json", "[1]", "expected an object as input, found list"),
        ("input.json", '{"number": "1"}', "amount"),
    ],
)
def test_bad_input_is_refused_with_its_place_and_nothing_starts(folder, name, content, said):
    assert said in refusal(folder, "--input", write(folder, name, content))


def test_missing_files_people_and_columns_are_named(folder):
    path = write(folder, "rows.csv", "number,amount\n1,2\n")

    assert "missing.json: No such file" in refusal(folder, definition="missing.json")
    assert "missing.csv: No such file" in refusal(folder, "--input", str(folder / "missing.csv"))
    assert "There is no user 'nobody'" in refusal(folder, "--user", "nobody")
    assert "there is no column 'id'; there are number, amount" in refusal(folder, "--input", path, "--key", "id")
