"""What processes take of the machine."""

import time
from collections.abc import Sequence

import psutil

from tests.chaos.processes import Process


class CpuTime:
    """Of processes that live from `begin` to `end`."""

    def __init__(self, processes: Sequence[Process]) -> None:
        self._processes = processes
        self._begun = self._ended = (0.0, 0.0)

    def begin(self) -> None:
        self._begun = self._now()

    def end(self) -> None:
        self._ended = self._now()

    @property
    def share(self) -> float:
        """Of one core, by each process, between the two."""
        (begun, before), (ended, after) = self._begun, self._ended
        return (after - before) / max(0.001, ended - begun) / max(1, len(self._processes))

    def _now(self) -> tuple[float, float]:
        return time.monotonic(), sum(cpu_seconds(process.pid) for process in self._processes)


def cpu_seconds(pid: int) -> float:
    """User and system time of one process, without its children."""
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


def cpu_with_children(process: psutil.Process) -> float:
    """Seconds of a process and all that descend from it; those of children that have ended are their parent's."""
    times = [each.cpu_times() for each in (process, *process.children(recursive=True))]
    return sum(float(one.user + one.system + one.children_user + one.children_system) for one in times)
