import contextlib
import enum
import os
import signal
import time
from dataclasses import dataclass, field

from apps.fleet.supervisor.process import Handle, Process

SHORTEST_DELAY_SECONDS = 0.5
LONGEST_DELAY_SECONDS = 30.0
STEADY_AFTER_SECONDS = 60.0
"""One that ran for so long starts again without delay."""


class Status(enum.StrEnum):
    WAITING = "waiting"
    """Not started yet, or due to start again."""
    STARTING = "starting"
    READY = "ready"
    DONE = "done"
    STOPPED = "stopped"


@dataclass
class Child:
    """What has become of one line of the process table."""

    process: Process
    status: Status = Status.WAITING
    handle: Handle | None = None
    started_at: float = 0.0
    due_at: float = 0.0
    """Both as time.monotonic()."""
    failures: int = 0
    """Exits since it last ran steadily."""
    has_been_ready: bool = False
    exit_codes: list[int] = field(default_factory=list)

    @property
    def is_running(self) -> bool:
        return self.handle is not None

    @property
    def is_settled(self) -> bool:
        """Whether the next stage need not wait for it."""
        return self.status in (Status.READY, Status.DONE) or self.has_been_ready

    def start(self, output: int | None) -> None:
        self.handle = self.process.start(output=output)
        self.started_at = time.monotonic()
        self.status = Status.STARTING

    def collect(self) -> int | None:
        """Its exit code if it has ended since the last call; whatever it had started is killed then."""
        if self.handle is None or (code := self.handle.poll()) is None:
            return None
        kill_group(self.handle.pid)
        self.handle = None
        self.exit_codes.append(code)
        return code

    def back_off(self) -> float:
        """Have it start again later; the seconds until then double with each failure in a row."""
        ran_seconds = time.monotonic() - self.started_at
        self.failures = 1 if ran_seconds > STEADY_AFTER_SECONDS else self.failures + 1
        delay = min(LONGEST_DELAY_SECONDS, SHORTEST_DELAY_SECONDS * 2.0 ** (self.failures - 1))
        self.due_at = time.monotonic() + delay
        self.status = Status.WAITING
        return delay

    def send(self, signum: signal.Signals) -> None:
        if self.handle is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.handle.pid, signum)

    def kill(self) -> None:
        if self.handle is not None:
            kill_group(self.handle.pid)


def kill_group(leader: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):  # nobody left, or macOS on a group of the dead
        os.killpg(leader, signal.SIGKILL)
