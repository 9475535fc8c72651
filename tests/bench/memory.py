"""Memory of process trees, shared pages divided among those who share them."""

import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

import psutil

MIB = 1024


def tree(pid: int) -> list[psutil.Process]:
    """A process and all that descend from it."""
    root = psutil.Process(pid)
    return [root, *root.children(recursive=True)]


def pss_mib(processes: Iterable[psutil.Process]) -> float:
    """Proportional set size in all, by `smaps_rollup`."""
    return sum(_pss_kib(process.pid) for process in processes) / MIB


class Watch:
    """The largest of some processes so far, looked at twice a second by a thread: `mib`, as proportional set size.

    find         all processes, in which those that count are looked for each time
    is_watched   whether one counts; psutil.Error where it has ended
    """

    def __init__(self, find: Callable[[], Iterable[psutil.Process]], is_watched: Callable[[psutil.Process], bool]) -> None:
        self.mib = 0.0
        self._find, self._is_watched, self._is_over = find, is_watched, threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> "Watch":
        self._look()
        if not self.mib:
            raise LookupError("Nothing is measured: none of the processes is one that is to be watched.")
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._is_over.wait(0.5):
            self._look()

    def _look(self) -> None:
        for process in self._find():
            with suppress(psutil.Error, OSError):  # it has ended meanwhile
                if self._is_watched(process):
                    self.mib = max(self.mib, pss_mib([process]))


def _pss_kib(pid: int) -> int:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    raise ValueError(f"Process {pid} tells no Pss.")
