"""Start executions from a command, follow them, and say what they came to."""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson
from rich.console import Console

from apps.accounts.models import User
from apps.executions import queries
from apps.executions.actions import MAX_STARTS, Start, start_execution, start_executions
from apps.executions.shell import batch, single
from apps.executions.shell.files import Row
from apps.executions.shell.watch import Picture, watch, watch_many
from apps.workflows.models import WorkflowVersion

NO_WORKER_AFTER_SECONDS = 5.0


@dataclass
class Shell:
    """Where to print, for whom to start, and how long to follow.

    timeout_seconds   None to start only, and not to follow
    """

    console: Console
    user: User
    timeout_seconds: float | None
    _has_warned: bool = False

    def run_one(self, version: WorkflowVersion, input: Mapping[str, Any]) -> bool:
        """Whether it succeeded, or was started where nobody follows."""
        began = time.monotonic()
        started = start_execution(workflow=version.workflow, version=version, input=input, started_by=self.user, trigger="shell")
        self.console.print(f"execution {started.execution_id}")
        if self.timeout_seconds is None:
            return True
        node_keys = [node["key"] for node in version.definition["nodes"]]
        with single.view_of(self.console, node_keys) as view:
            picture = self._follow_one(watch(self.user, started.execution_id), view, began)
        self._conclude_one(picture, time.monotonic() - began)
        is_success: bool = picture.status == "success"
        if is_success:
            self._print_output(started.execution_id, version)
        return is_success

    def run_many(self, version: WorkflowVersion, rows: Sequence[Row], *, group_by: str | None) -> bool:
        """Whether all succeeded, or were started where nobody follows. A row with the key of an earlier one is left out."""
        began = time.monotonic()
        execution_ids = [
            started.execution_id
            for starts in _starts(self._without_repeats(rows))
            for started in start_executions(
                workflow=version.workflow, version=version, starts=starts, started_by=self.user, trigger="shell"
            )
        ]
        self.console.print(f"{len(execution_ids)} executions started")
        if self.timeout_seconds is None:
            return True
        still_open = self._follow_many(execution_ids, began)
        results = batch.read_results(execution_ids)
        for table in batch.report(results, list(version.definition.get("output", {})), group_by):
            self.console.print(table)
        self._conclude_many(execution_ids, still_open, time.monotonic() - began)
        return all(each["status"] == "success" for each in results)

    def _follow_one(self, pictures: Iterable[Picture], view: single.View, began: float) -> Picture:
        for picture in pictures:
            view.show(picture)
            if self._is_over(began, was_picked_up=picture.was_picked_up):
                break
        return picture

    def _follow_many(self, execution_ids: Sequence[UUID], began: float) -> set[UUID]:
        with batch.meter_of(self.console, len(execution_ids)) as meter:
            for still_open in watch_many(execution_ids):
                meter.show(len(execution_ids) - len(still_open))
                if self._is_over(began, was_picked_up=len(still_open) < len(execution_ids) or batch.any_was_picked_up(execution_ids)):
                    break
        return still_open

    def _is_over(self, began: float, *, was_picked_up: bool) -> bool:
        """Whether the time is up; warns once when nobody works."""
        waited = time.monotonic() - began
        if waited > NO_WORKER_AFTER_SECONDS and not was_picked_up and not self._has_warned:
            self._has_warned = True
            self.console.print("No worker has picked it up yet; is `make run` running? It is kept, and will run.", style="yellow")
        return self.timeout_seconds is not None and waited > self.timeout_seconds

    def _without_repeats(self, rows: Sequence[Row]) -> list[Row]:
        first: dict[str, Row] = {}
        for row in rows:
            if row.key and row.key in first:
                self.console.print(f"line {row.line}: {row.key} came in line {first[row.key].line} already; left out", style="yellow")
            else:
                first[row.key or f"line {row.line}"] = row
        return list(first.values())

    def _conclude_one(self, picture: Picture, seconds: float) -> None:
        name, error = picture.snapshot["workflow_name"], picture.snapshot["error"]
        if not picture.is_settled:
            self.console.print(f"{name}: still {picture.status} after {seconds:.1f} s; it goes on without this command")
            return
        nodes, more = len(picture.node_runs), sum(each["attempt"] - 1 for each in picture.node_runs.values())
        self.console.print(f"{name}: {picture.status} in {seconds:.2f} s, {nodes} nodes{_further(more)}")
        if error:
            self.console.print(f"{error.get('code')}: {error.get('message')}", style="red")

    def _conclude_many(self, execution_ids: Sequence[UUID], still_open: set[UUID], seconds: float) -> None:
        node_runs, more = batch.count_attempts(execution_ids)
        self.console.print(f"{len(execution_ids)} executions, {node_runs} node runs{_further(more)}, in {seconds:.1f} s")
        if still_open:
            self.console.print(f"{len(still_open)} have not ended within the time; they go on without this command", style="yellow")

    def _print_output(self, execution_id: UUID, version: WorkflowVersion) -> None:
        output = orjson.loads(queries.execution_output(queries.get_execution(self.user, execution_id)))
        names = list(version.definition.get("output", {}))
        if isinstance(output, dict) and set(names) == set(output):
            output = {name: output[name] for name in names}  # the database keeps no order of keys
        self.console.print_json(data=output)


def _starts(rows: Sequence[Row]) -> Iterator[list[Start]]:
    for begin in range(0, len(rows), MAX_STARTS):
        yield [Start(input=row.input, business_key=row.key) for row in rows[begin : begin + MAX_STARTS]]


def _further(attempts: int) -> str:
    return f", {attempts} further attempt{'s' if attempts > 1 else ''}" if attempts else ""
