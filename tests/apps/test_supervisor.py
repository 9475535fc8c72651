import os
import queue
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tests.processes import is_running, wait_for, wait_until_gone

pytestmark = pytest.mark.timeout(60)
LINE_WITHIN_SECONDS = 20


class Supervised:
    """A running `tests.apps.supervised`, read line by line."""

    def __init__(self, case: str, folder: Path) -> None:
        command = [sys.executable, "-m", "tests.apps.supervised", case, str(folder)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True)
        self.seen: list[str] = []
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def until(self, pattern: str) -> re.Match[str]:
        """The first new line that matches. Fails when the output ends or the deadline passes before."""
        while (line := self._lines.get(timeout=LINE_WITHIN_SECONDS)) is not None:
            self.seen.append(line)
            if match := re.search(pattern, line):
                return match
        raise AssertionError(f"{pattern!r} is not in the output: {self.seen}")

    def started(self, name: str) -> psutil.Process:
        return psutil.Process(int(self.until(rf"^{name} +\| started (\d+)")[1]))

    def rest(self) -> list[str]:
        """The lines until the end."""
        while (line := self._lines.get(timeout=LINE_WITHIN_SECONDS)) is not None:
            self.seen.append(line)
        return self.seen

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self._reader.join()
        assert self.process.stdout is not None
        self.process.stdout.close()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(line.rstrip("\n"))
        self._lines.put(None)


@pytest.fixture
def supervise(tmp_path: Path) -> Iterator[Callable[[str], Supervised]]:
    running: list[Supervised] = []

    def start(case: str) -> Supervised:
        running.append(Supervised(case, tmp_path))
        return running[-1]

    yield start
    for supervised in running:
        supervised.end()


def test_a_stage_waits_until_the_one_before_is_ready(supervise: Callable[[str], Supervised], tmp_path: Path):
    supervised = supervise("order")
    supervised.started("late")
    (tmp_path / "late-is-ready").touch()

    supervised.until(r"once +\| finishes")
    supervised.started("last")
    os.kill(supervised.process.pid, signal.SIGTERM)
    lines = supervised.rest()
    assert supervised.process.wait(20) == 0
    assert lines.index("last | stopping") < lines.index("late | stopping"), "the lower rank is stopped first"


def test_a_killed_process_starts_again_later_and_later(supervise: Callable[[str], Supervised], tmp_path: Path):
    (tmp_path / "late-is-ready").touch()
    supervised = supervise("order")
    supervised.until("all ready")
    late = next(line for line in supervised.seen if line.startswith("late"))

    os.kill(int(late.rsplit(" ", 1)[1]), signal.SIGKILL)
    supervised.until(r"supervisor \| late was killed by SIGKILL; it starts again in 0.5 s")
    supervised.started("late").kill()
    supervised.until(r"supervisor \| late was killed by SIGKILL; it starts again in 1 s")
    supervised.started("late")


def test_one_that_does_not_stop_is_killed_in_the_end(supervise: Callable[[str], Supervised]):
    supervised = supervise("stubborn")
    child = supervised.started("stubborn")

    os.kill(supervised.process.pid, signal.SIGTERM)

    supervised.until("stubborn +. stays")
    assert supervised.process.wait(20) == 0
    wait_until_gone([child], within_seconds=1)


def test_asked_twice_it_kills_at_once(supervise: Callable[[str], Supervised]):
    supervised = supervise("patient")
    child = supervised.started("stubborn")
    os.kill(supervised.process.pid, signal.SIGINT)
    supervised.until("stubborn +. stays")

    wait_for(lambda: ask_again(supervised), within_seconds=10)

    wait_until_gone([child], within_seconds=1)


def ask_again(supervised: Supervised) -> bool:
    """Press Ctrl-C; whether it has ended."""
    supervised.process.send_signal(signal.SIGINT)
    return supervised.process.poll() is not None


def test_the_same_request_from_two_sides_is_one(supervise: Callable[[str], Supervised]):
    supervised = supervise("slow")
    child = supervised.started("slow")
    for _ in range(3):
        os.kill(supervised.process.pid, signal.SIGTERM)

    assert supervised.process.wait(20) == 0
    assert "slow | finished" in supervised.rest()
    assert not is_running(child)


def test_a_killed_supervisor_leaves_neither_children_nor_their_children(supervise: Callable[[str], Supervised]):
    supervised = supervise("parent")
    grandchild = psutil.Process(int(supervised.until(r"grandchild (\d+)")[1]))
    child = supervised.started("parent")
    assert is_running(grandchild)

    supervised.process.kill()

    wait_until_gone([child, grandchild], within_seconds=5)


def test_what_a_killed_child_had_started_goes_with_it(supervise: Callable[[str], Supervised]):
    supervised = supervise("parent")
    grandchild = psutil.Process(int(supervised.until(r"grandchild (\d+)")[1]))
    child = supervised.started("parent")

    child.kill()

    wait_until_gone([child, grandchild], within_seconds=5)
    second = psutil.Process(int(supervised.until(r"grandchild (\d+)")[1]))
    wait_for(lambda: is_running(second), within_seconds=5)


def test_a_failed_step_of_the_start_ends_everything_and_is_named(supervise: Callable[[str], Supervised]):
    supervised = supervise("one-shot-fails")
    first = supervised.started("first")

    lines = supervised.rest()

    assert supervised.process.wait(20) == 1
    assert "supervisor | once failed (ended with code 3); its output above says why." in lines
    assert not any("never" in line for line in lines)
    wait_until_gone([first], within_seconds=1)


def test_a_process_that_never_gets_ready_is_given_up(supervise: Callable[[str], Supervised]):
    supervised = supervise("never-ready")

    lines = supervised.rest()

    assert supervised.process.wait(20) == 1
    assert lines.count("broken | fails") == 5
    assert "broken did not start in 5 tries (ended with code 3)" in lines[-1]
