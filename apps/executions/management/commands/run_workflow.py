"""Run a workflow from files."""

import time
from argparse import ArgumentParser
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError
from rich.console import Console

from apps.accounts.models import User, Workspace
from apps.engine.errors import StructForgeError
from apps.executions.actions import MAX_STARTS, Start, start_execution, start_executions
from apps.executions.shell import batch, single
from apps.executions.shell.files import FileFaultError, Row, read_document, read_rows
from apps.executions.shell.watch import Picture, watch, watch_many
from apps.workflows.actions import Saved, create_workflow, save_version
from apps.workflows.models import Workflow, WorkflowVersion

NO_WORKER_AFTER_SECONDS = 5.0
WIDTH_WITHOUT_TERMINAL = 150
SUCCESS, FAILED, USAGE = 0, 1, 2


class Command(BaseCommand):
    help = (
        "Run a workflow from a definition file (JSON or YAML). The input is a JSON or YAML object for one execution, or a CSV file for one "
        "per row. The definition is stored and published under its name first; unchanged content makes no new version. "
        "Exit status: 0 success, 1 an execution failed or did not end in time, 2 wrong usage, file or definition."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("definition", type=Path, metavar="FILE", help="the definition")
        parser.add_argument(
            "--input",
            type=Path,
            nargs="+",
            default=[],
            metavar="FILE",
            help="the input, or several, run one after another; an empty object without it",
        )
        parser.add_argument("--each", action="store_true", help="one execution for each element of a JSON or YAML array; CSV is always so")
        parser.add_argument(
            "--key", metavar="COLUMN", help="the column that names an execution; further rows of the same name are left out"
        )
        parser.add_argument("--group-by", metavar="FIELD", help="the field of the output that the report of many executions is grouped by")
        parser.add_argument("--follow", action="store_true", help="show nodes as they settle, and the result")
        parser.add_argument(
            "--timeout", type=float, default=600, metavar="SECONDS", help="how long to follow at most (default: %(default)g)"
        )
        parser.add_argument("--user", metavar="NAME", help="whose workflow it is; the first administrator's without it")

    def handle(self, *, definition: Path, input: Sequence[Path], **options: Any) -> None:
        self.console, self.options = _console(), options
        try:
            self.user = _user(options["user"])
            saved = _store(read_document(definition), self.user)
            self._say_what_is_stored(saved)
            statuses = [self._run(saved.version, path) for path in (input or (None,))]
        except StructForgeError as error:
            raise CommandError(_explained(error), returncode=USAGE) from error
        if any(statuses):
            raise SystemExit(FAILED)

    def _say_what_is_stored(self, saved: Saved) -> None:
        version = saved.version
        self.console.print(f"{version.workflow.name}: version {version.number} is {'new' if saved.created else 'unchanged'} and published")
        for warning in saved.warnings:
            self.console.print(f"  warning: {warning.pointer}: {warning.message}", style="yellow")

    def _run(self, version: WorkflowVersion, path: Path | None) -> int:
        if path is not None and (self.options["each"] or path.suffix.lower() == ".csv"):
            return self._run_many(version, read_rows(path, version.start["input_schema"], self.options["key"]))
        document = read_document(path) if path else {}
        if not isinstance(document, dict):
            raise FileFaultError(f"{path}: expected an object as input, found {type(document).__name__}; an array needs --each.")
        return self._run_one(version, document)

    def _run_one(self, version: WorkflowVersion, input: dict[str, Any]) -> int:
        began = time.monotonic()
        started = start_execution(workflow=version.workflow, version=version, input=input, started_by=self.user, trigger="shell")
        self.console.print(f"execution {started.execution_id}")
        if not self.options["follow"]:
            return SUCCESS
        node_keys = [node["key"] for node in version.definition["nodes"]]
        with single.view_of(self.console, node_keys) as view:
            picture = self._follow(watch(self.user, started.execution_id), view, began)
        return self._conclude(picture, time.monotonic() - began)

    def _follow(self, pictures: Iterable[Picture], view: single.View, began: float) -> Picture:
        is_warned = False
        for picture in pictures:
            view.show(picture)
            waited = time.monotonic() - began
            if waited > self.options["timeout"]:
                break
            if not (is_warned or picture.was_picked_up) and waited > NO_WORKER_AFTER_SECONDS:
                is_warned = True
                self._warn_of_no_worker()
        return picture

    def _conclude(self, picture: Picture, seconds: float) -> int:
        name, error, output = picture.snapshot["workflow_name"], picture.snapshot["error"], picture.snapshot["output"]
        if not picture.is_settled:
            self.console.print(f"{name}: still {picture.status} after {seconds:.1f} s; it goes on without this command")
            return FAILED
        more = sum(each["attempt"] - 1 for each in picture.node_runs.values())
        tries = f", {more} further attempt{'s' if more > 1 else ''}" if more else ""
        self.console.print(f"{name}: {picture.status} in {seconds:.2f} s, {len(picture.node_runs)} nodes{tries}")
        if error:
            self.console.print(f"{error.get('code')}: {error.get('message')}", style="red")
        if output is not None:
            self.console.print_json(data=output)
        return SUCCESS if picture.status == "success" else FAILED

    def _run_many(self, version: WorkflowVersion, rows: Sequence[Row]) -> int:
        rows = self._without_repeats(rows)
        began = time.monotonic()
        execution_ids = [
            started.execution_id
            for some in _starts(rows)
            for started in start_executions(workflow=version.workflow, version=version, starts=some, started_by=self.user, trigger="shell")
        ]
        self.console.print(f"{len(execution_ids)} executions started")
        if not self.options["follow"]:
            return SUCCESS
        still_open = self._follow_many(execution_ids, began)
        return self._conclude_many(execution_ids, still_open, time.monotonic() - began)

    def _without_repeats(self, rows: Sequence[Row]) -> list[Row]:
        first: dict[str, Row] = {}
        kept = []
        for row in rows:
            if row.key and row.key in first:
                self.console.print(f"line {row.line}: {row.key} came in line {first[row.key].line} already; left out", style="yellow")
                continue
            first[row.key] = row
            kept.append(row)
        return kept

    def _follow_many(self, execution_ids: Sequence[UUID], began: float) -> set[UUID]:
        is_warned = False
        with batch.meter_of(self.console, len(execution_ids)) as meter:
            for still_open in watch_many(execution_ids):
                meter.show(len(execution_ids) - len(still_open))
                waited = time.monotonic() - began
                if waited > self.options["timeout"]:
                    break
                if not is_warned and waited > NO_WORKER_AFTER_SECONDS and len(still_open) == len(execution_ids):
                    is_warned = True
                    if not batch.any_was_picked_up(execution_ids):
                        self._warn_of_no_worker()
        return still_open

    def _conclude_many(self, execution_ids: Sequence[UUID], still_open: set[UUID], seconds: float) -> int:
        results = batch.read_results(execution_ids)
        for table in batch.report(results, self.options["group_by"]):
            self.console.print(table)
        node_runs, more = batch.count_attempts(execution_ids)
        self.console.print(f"{len(results)} executions, {node_runs} node runs, {more} further attempts in {seconds:.1f} s")
        if still_open:
            self.console.print(f"{len(still_open)} have not ended within the time; they go on without this command", style="yellow")
        return SUCCESS if all(each["status"] == "success" for each in results) else FAILED

    def _warn_of_no_worker(self) -> None:
        self.console.print("No worker has picked it up yet; is `make run` running? It is kept, and will run.", style="yellow")


def _starts(rows: Sequence[Row]) -> Iterable[list[Start]]:
    for begin in range(0, len(rows), MAX_STARTS):
        yield [Start(input=row.input, business_key=row.key) for row in rows[begin : begin + MAX_STARTS]]


def _console() -> Console:
    console = Console(markup=False, emoji=False, highlight=False)
    return console if console.is_terminal else Console(markup=False, emoji=False, highlight=False, width=WIDTH_WITHOUT_TERMINAL)


def _user(name: str | None) -> User:
    user = User.objects.filter(username=name).first() if name else User.objects.filter(is_superuser=True).order_by("date_joined").first()
    if user is None:
        known = (
            f"There is no user '{name}'." if name else "There is no administrator yet; `make run` makes one, and so does createsuperuser."
        )
        raise CommandError(known, returncode=USAGE)
    return user


def _store(document: Any, user: User) -> Saved:
    """Save and publish a definition as the workflow of its name."""
    name = document.get("name") if isinstance(document, dict) else None
    workspace = Workspace.objects.get(owner=user, is_personal=True)
    workflow = Workflow.objects.filter(workspace=workspace, name=name).first() if isinstance(name, str) else None
    if workflow is None:
        return create_workflow(workspace=workspace, definition=document, created_by=user, publish=True)
    return save_version(workflow=workflow, definition=document, created_by=user, publish=True)


def _explained(error: StructForgeError) -> str:
    """The message, and each fault with its place."""
    faults = error.details.get("errors", [])
    lines = [f"  {fault.get('pointer') or '/'}: {fault['message']}" for fault in faults if isinstance(fault, dict) and "message" in fault]
    return "\n".join([error.message, *lines])
