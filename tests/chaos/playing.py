"""Plays scenarios one after the other, each in a process of its own, and keeps a record of the lines."""

import fcntl
import json
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from tests.chaos.processes import REPOSITORY, STATE, python
from tests.chaos.scenarios import CALM, Scenario

RECORD = STATE / "chaos.jsonl"
SET_UP_SECONDS = 120.0


def play(scenario: Scenario, *, profile: str, calm: Mapping[str, Any] | None = None, executions: int | None = None) -> dict[str, Any]:
    """Run one scenario; its line. `calm` is that of the run without faults.

    A run that broke off or took too long counts as failed, with a line that says so.
    """
    with _alone():
        line = _play(scenario, profile=profile, calm=calm or {}, executions=executions)
    _record(line)
    return line


@contextmanager
def _alone() -> Iterator[None]:
    """One scenario at a time on this machine: two would measure each other."""
    RECORD.parent.mkdir(parents=True, exist_ok=True)
    with (RECORD.parent / "chaos.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _play(scenario: Scenario, *, profile: str, calm: Mapping[str, Any], executions: int | None) -> dict[str, Any]:
    command = ["-m", "tests.chaos.run", scenario.name, "--profile", profile]
    command += ["--calm-seconds", str(calm["seconds"])] if calm.get("seconds") else []
    command += ["--calm-p99", str(calm["p99_seconds"])] if calm.get("p99_seconds") else []
    command += ["--executions", str(executions)] if executions else []
    process = subprocess.Popen(python(*command), cwd=REPOSITORY, stdout=subprocess.PIPE, text=True)
    try:
        output, _ = process.communicate(timeout=2 * scenario.time_limit + SET_UP_SECONDS)
    except subprocess.TimeoutExpired:
        process.terminate()
        output, _ = process.communicate()
    broken_off = f"broke off with code {process.returncode}"
    return _last_line(output) or {"scenario": scenario.name, "profile": profile, "verdict": "fail", "failures": [broken_off]}


def play_all(scenarios: Sequence[Scenario], *, profile: str, executions: int | None = None) -> list[dict[str, Any]]:
    """Run scenarios in order. The calm run comes first, whether it is asked for or not: the others are measured by it."""
    calm = play(CALM, profile=profile, executions=executions)
    show(calm)
    lines = [calm]
    for scenario in scenarios:
        if scenario is not CALM:
            lines.append(play(scenario, profile=profile, calm=calm, executions=executions))
            show(lines[-1])
    return lines


def show(line: dict[str, Any]) -> None:
    print(json.dumps(line), flush=True)


def _last_line(output: str) -> dict[str, Any] | None:
    lines = [line for line in output.splitlines() if line.startswith("{")]
    return json.loads(lines[-1]) if lines else None


def _record(line: dict[str, Any]) -> None:
    with RECORD.open("a") as file:
        file.write(json.dumps(line) + "\n")
