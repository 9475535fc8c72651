import ctypes
import gc
import mmap
import os
import signal
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field

from apps.fleet.supervisor.lifeline import Lifeline
from apps.fleet.supervisor.process import Handle

PR_SET_NAME = 15
HANDLED_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD)


class SharedFlag:
    """A flag that a forked child sets and the supervisor sees."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, 1)

    def set(self) -> None:
        self._memory[0] = 1

    def clear(self) -> None:
        self._memory[0] = 0

    def is_set(self) -> bool:
        return self._memory[0] == 1


@dataclass
class ForkedHandle:
    pid: int
    _code: int | None = None

    def poll(self) -> int | None:
        if self._code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self._code = os.waitstatus_to_exitcode(status) if pid else None
        return self._code


@dataclass
class Forker:
    """Makes children that run a Python function in a copy of this process.

    The copy is only sound while the supervisor has one thread and no connection of its own.
    """

    lifeline: Lifeline
    close_inherited: list[Callable[[], None]] = field(default_factory=list)
    """What each child closes of the supervisor's own."""

    def starter(self, name: str, run: Callable[[], None]) -> Callable[..., Handle]:
        def start(*, output: int | None) -> Handle:
            return self._fork(name, run, output)

        return start

    def _fork(self, name: str, run: Callable[[], None], output: int | None) -> Handle:
        sys.stdout.flush()
        sys.stderr.flush()
        if pid := os.fork():
            return ForkedHandle(pid)
        code = 1
        try:
            self._become(name, output)
            code = _exit_code_of(run)
        except BaseException:  # nothing may unwind into the supervisor's own code
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)

    def _become(self, name: str, output: int | None) -> None:
        os.setsid()
        signal.set_wakeup_fd(-1)
        for signum in HANDLED_SIGNALS:
            signal.signal(signum, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        if output is not None:
            os.dup2(output, 1)
            os.dup2(output, 2)
        with open(os.devnull) as nothing:
            os.dup2(nothing.fileno(), 0)
        for close in self.close_inherited:
            close()
        self.lifeline.tie_group()
        _show_name(name)
        gc.enable()


def _exit_code_of(run: Callable[[], None]) -> int:
    try:
        run()
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    return 0


def _show_name(name: str) -> None:
    """What `ps -o comm` and `top` show, 15 bytes of it."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_NAME, f"sf:{name}".encode(), 0, 0, 0)
