"""Show one execution while it runs: a live table on a terminal, a line per step elsewhere."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Protocol

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from apps.engine.statuses import SETTLED_NODE_RUN
from apps.executions.shell.watch import Picture

ICONS = {
    "pending": ("·", "dim"),
    "queued": ("○", "dim"),
    "running": ("◐", "cyan"),
    "waiting": ("◷", "yellow"),
    "retrying": ("↻", "yellow"),
    "uncertain": ("?", "magenta"),
    "success": ("✓", "green"),
    "failed": ("✗", "red"),
    "skipped": ("–", "dim"),
    "cancelled": ("⊘", "red"),
}
WORTH_A_LINE = SETTLED_NODE_RUN | {"retrying", "waiting", "uncertain"}


class View(Protocol):
    def show(self, picture: Picture) -> None: ...


class Lines:
    """A line for each node run that settles, or waits to be tried again."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._began = time.monotonic()
        self._said: set[tuple[object, ...]] = set()

    def show(self, picture: Picture) -> None:
        for (key, path), run in picture.node_runs.items():
            mark = (key, path, run["status"], run["attempt"])
            if run["status"] in WORTH_A_LINE and mark not in self._said:
                self._said.add(mark)
                self._say(f"{key}[{path}]" if path else key, run)

    def _say(self, name: str, run: Mapping[str, Any]) -> None:
        icon, style = ICONS[run["status"]]
        line = Text(f"{time.monotonic() - self._began:7.2f} s  ")
        line.append(f"{icon} {name:<24} {run['status']:<9}", style)
        line.append(f" {_note(run)}")
        self._console.print(line, soft_wrap=True)


class LiveTable:
    """All nodes of the definition, in place."""

    def __init__(self, live: Live, node_keys: list[str]) -> None:
        self._live = live
        self._keys = node_keys

    def show(self, picture: Picture) -> None:
        self._live.update(self._table(picture), refresh=True)

    def _table(self, picture: Picture) -> Table:
        table = Table(box=None, pad_edge=False)
        for heading, justify in (("", "left"), ("Node", "left"), ("Status", "left"), ("Attempt", "right"), ("Took", "right"), ("", "left")):
            table.add_column(heading, justify=justify)  # type: ignore[arg-type]  # a literal above
        runs = {key if not path else f"{key}[{path}]": run for (key, path), run in picture.node_runs.items()}
        for name in list(dict.fromkeys([*self._keys, *runs])):
            table.add_row(*_row(name, runs.get(name, {"status": "pending"})))
        return table


@contextmanager
def view_of(console: Console, node_keys: list[str]) -> Iterator[View]:
    """The view that suits the console."""
    if not console.is_terminal:
        yield Lines(console)
        return
    with Live(console=console, auto_refresh=False) as live:
        yield LiveTable(live, node_keys)


def took(node_run: Mapping[str, Any]) -> str:
    """How long the last attempt ran; "" while it does, or when that is not known."""
    if not (node_run.get("started_at") and node_run.get("finished_at")):
        return ""
    seconds = (datetime.fromisoformat(node_run["finished_at"]) - datetime.fromisoformat(node_run["started_at"])).total_seconds()
    return f"{seconds:.2f} s" if seconds >= 1 else f"{seconds * 1000:.0f} ms"


def _row(name: str, run: Mapping[str, Any]) -> tuple[Text | str, ...]:
    icon, style = ICONS[run["status"]]
    attempt = str(run["attempt"]) if run.get("attempt", 1) > 1 else ""
    return Text(icon, style), name, Text(run["status"], style), attempt, took(run), _note(run, with_attempt=False)


def _note(run: Mapping[str, Any], *, with_attempt: bool = True) -> str:
    parts = [
        f"attempt {run['attempt']}" if with_attempt and run.get("attempt", 1) > 1 else "",
        took(run) if with_attempt else "",
        str(run["error"].get("message", "")) if run.get("error") else "",
    ]
    return ", ".join(part for part in parts if part).replace("\x1b", "␛")  # a terminal would obey it
