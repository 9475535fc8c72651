"""Child processes in sessions of their own, each with its output in a file."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from apps.fleet.embedded.lifeline import signal_when_parent_dies

REPOSITORY = Path(__file__).resolve().parent.parent.parent
STATE = Path(os.environ.get("STRUCTFORGE_STATE_DIR") or REPOSITORY / ".structforge").resolve()
"""Where records are kept, and below it the folders of private installations."""


class NotInTimeError(RuntimeError):
    """Something that was waited for did not happen."""


def wait_until(holds: Callable[[], bool], *, within_seconds: float, what: str, ask_every_seconds: float = 0.05) -> None:
    """Return once `holds()`. Raises NotInTimeError."""
    deadline = time.monotonic() + within_seconds
    while not holds():
        if time.monotonic() > deadline:
            raise NotInTimeError(f"Waited {within_seconds:g} s in vain: {what}.")
        time.sleep(ask_every_seconds)


@dataclass
class Process:
    """One child. It dies with this process; the log of all its lives is appended to one file."""

    name: str
    args: tuple[str, ...]
    environment: Mapping[str, str]
    log: Path
    popen: "subprocess.Popen[bytes] | None" = field(default=None, init=False)

    def start(self) -> None:
        """Launch it. To be called from the main thread: the kernel ties the child's life to the thread."""
        with self.log.open("ab") as output:
            self.popen = subprocess.Popen(
                self.args,
                cwd=REPOSITORY,
                env=dict(self.environment),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=signal_when_parent_dies(signal.SIGKILL),  # noqa: PLW1509  # it only asks the kernel
            )

    @property
    def pid(self) -> int:
        assert self.popen is not None, f"{self.name} was never started"
        return self.popen.pid

    @property
    def is_running(self) -> bool:
        return self.popen is not None and self.popen.poll() is None

    def children(self) -> list[int]:
        """Its descendants now."""
        try:
            return [child.pid for child in psutil.Process(self.pid).children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def family(self) -> list[int]:
        """Its pid and those of its descendants."""
        return [self.pid, *self.children()]

    def send(self, signum: signal.Signals, *, to_group: bool = False) -> None:
        if not self.is_running:
            return  # its number may be somebody else's by now
        with contextlib.suppress(ProcessLookupError):
            (os.killpg if to_group else os.kill)(self.pid, signum)

    def kill(self) -> None:
        """End it and its descendants as a power cut would."""
        self.send(signal.SIGKILL, to_group=True)
        if self.popen is not None:
            self.popen.wait()

    def stop(self, within_seconds: float) -> bool:
        """Ask it to stop; kill it when it does not. Returns whether it stopped by itself."""
        self.send(signal.SIGTERM)
        return self.wait(within_seconds)

    def wait(self, within_seconds: float) -> bool:
        """Wait for its end; kill it when that does not come. Returns whether it came."""
        if self.popen is None:
            return True
        try:
            self.popen.wait(within_seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            return False
        return True


def python(*args: str) -> tuple[str, ...]:
    """A command line of the interpreter that runs this."""
    return (sys.executable, *args)
