"""Show many executions of one workflow: progress while they run, then a report."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol
from uuid import UUID

from django.db.models import F, Sum
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from apps.executions.models import Execution, NodeRun

LINES_OF_PROGRESS = 10  # where there is no terminal
MAX_CELL_LENGTH = 60
MAX_ROWS = 20  # of one group


class Meter(Protocol):
    def show(self, ended: int) -> None: ...


class _Bar:
    def __init__(self, progress: Progress, total: int) -> None:
        self._progress = progress
        self._task = progress.add_task("executions", total=total)

    def show(self, ended: int) -> None:
        self._progress.update(self._task, completed=ended)


class _Steps:
    def __init__(self, console: Console, total: int) -> None:
        self._console, self._total = console, total
        self._next = self._step = max(1, total // LINES_OF_PROGRESS)

    def show(self, ended: int) -> None:
        if ended >= self._next:
            self._console.print(f"{ended:>6} of {self._total} executions have ended")
            self._next = min(self._total, ended + self._step)


@contextmanager
def meter_of(console: Console, total: int) -> Iterator[Meter]:
    """A progress bar on a terminal, a few lines elsewhere."""
    if not console.is_terminal:
        yield _Steps(console, total)
        return
    with Progress(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=console) as progress:
        yield _Bar(progress, total)


def read_results(execution_ids: Sequence[UUID]) -> list[dict[str, Any]]:
    """[{"business_key", "status", "output", "error"}], in the order of the ids."""
    found = Execution.objects.filter(pk__in=execution_ids).values("pk", "business_key", "status", "output", "error")
    rows = {row["pk"]: dict(row) for row in found}
    return [rows[execution_id] for execution_id in execution_ids]


def any_was_picked_up(execution_ids: Collection[UUID]) -> bool:
    """Whether any worker has begun."""
    return NodeRun.objects.filter(execution__in=execution_ids).exclude(status="queued", revision=1).exists()


def count_attempts(execution_ids: Collection[UUID]) -> tuple[int, int]:
    """How many node runs there were, and how many attempts beyond the first they took."""
    runs = NodeRun.objects.filter(execution__in=execution_ids)
    return runs.count(), runs.aggregate(more=Sum(F("attempt") - 1))["more"] or 0


def report(results: Sequence[Mapping[str, Any]], fields: Sequence[str], group_by: str | None) -> list[Table]:
    """One table: executions by what they came to. With `group_by`, a field of the output: one for each of its values, with its executions.

    fields   names of the output, in the order of the definition
    What failed has no output, and is grouped by its status.
    """
    if group_by is None:
        return [_counts("Status", Counter(each["status"] for each in results))]
    groups: defaultdict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for each in results:
        groups[str((each["output"] or {}).get(group_by, each["status"]))].append(each)
    others = [field for field in fields if field != group_by]
    return [*(_group(name, members, others, group_by) for name, members in sorted(groups.items())), _counts(group_by, _sizes(groups))]


def _sizes(groups: Mapping[str, Sequence[object]]) -> Counter[str]:
    return Counter({name: len(members) for name, members in sorted(groups.items())})


def _counts(heading: str, counts: Counter[str]) -> Table:
    table = Table(heading, "Executions")
    for name, count in counts.items():
        table.add_row(name, str(count))
    table.add_section()
    table.add_row("in all", str(counts.total()))
    return table


def _group(name: str, members: Sequence[Mapping[str, Any]], fields: Sequence[str], group_by: str) -> Table:
    has_errors = any(each["error"] for each in members)
    table = Table("Execution", *fields, *(["Error"] if has_errors else []), title=f"{group_by}: {name}", title_justify="left")
    for each in members[:MAX_ROWS]:
        output, error = each["output"] or {}, each["error"] or {}
        errors = [_cell(error.get("message"))] if has_errors else []
        table.add_row(each["business_key"], *(_cell(output.get(field)) for field in fields), *errors)
    if len(members) > MAX_ROWS:
        table.add_row(f"… {len(members) - MAX_ROWS} more")
    return table


def _cell(value: Any) -> str:
    if isinstance(value, list):
        return "; ".join(map(str, value))
    text = "" if value is None else str(value)
    text = text.replace("\x1b", "␛")  # a terminal would obey it
    return text if len(text) <= MAX_CELL_LENGTH else f"{text[: MAX_CELL_LENGTH - 1]}…"
