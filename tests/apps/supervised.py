"""A supervisor over small children, run as a program by test_supervisor.py: `python -m tests.apps.supervised CASE`.

Each child prints a line when it starts and when it is told to stop, so that order can be read from the output.
"""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from apps.fleet.supervisor.forking import Forker
from apps.fleet.supervisor.lifeline import Lifeline
from apps.fleet.supervisor.logs import Logs
from apps.fleet.supervisor.process import Process
from apps.fleet.supervisor.supervisor import Supervisor

HOUR = 3600


def obedient() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(print("stopping", flush=True)))
    print(f"started {os.getpid()}", flush=True)
    time.sleep(HOUR)


def stubborn() -> None:
    signal.signal(signal.SIGTERM, lambda *_: print("stays", flush=True))
    print(f"started {os.getpid()}", flush=True)
    while True:
        time.sleep(HOUR)


def slow() -> None:
    """Needs a second to stop."""
    stopping = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    print(f"started {os.getpid()}", flush=True)
    stopping.wait(HOUR)
    threading.Event().wait(1)
    print("finished", flush=True)


def parent() -> None:
    """A worker with a pool child that listens to nothing but SIGKILL."""
    child = subprocess.Popen([sys.executable, "-c", "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(3600)"])
    print(f"grandchild {child.pid}", flush=True)
    obedient()


def fails() -> None:
    print("fails", flush=True)
    sys.exit(3)


def finishes() -> None:
    print("finishes", flush=True)


class Case:
    def __init__(self) -> None:
        self.forker = Forker(Lifeline())

    def process(self, name: str, run: Callable[[], None], **options: object) -> Process:
        return Process(name, self.forker.starter(name, run), **options)  # type: ignore[arg-type]

    def stages(self, case: str, folder: Path) -> list[list[Process]]:
        make = self.process
        match case:
            case "order":
                late = make("late", obedient, is_ready=(folder / "late-is-ready").exists, stop_rank=1)
                return [[late], [make("once", finishes, is_one_shot=True)], [make("last", obedient)]]
            case "stubborn":
                return [[make("stubborn", stubborn, stop_seconds=1)]]
            case "patient":
                return [[make("stubborn", stubborn, stop_seconds=HOUR)]]
            case "slow":
                return [[make("slow", slow, stop_seconds=HOUR)]]
            case "parent":
                return [[make("parent", parent)]]
            case "one-shot-fails":
                return [[make("first", obedient)], [make("once", fails, is_one_shot=True)], [make("never", obedient)]]
            case "never-ready":
                return [[make("broken", fails, is_ready=lambda: False)]]
        raise ValueError(case)


def main(case: str, folder: Path) -> int:
    made = Case()
    logs = Logs()
    supervisor = Supervisor(made.stages(case, folder), logs, on_change=lambda _: None, on_ready=lambda: logs.plain("all ready"))
    made.forker.close_inherited.append(supervisor.close_inherited)
    supervisor.listen_to_signals()
    return supervisor.run()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2])))
