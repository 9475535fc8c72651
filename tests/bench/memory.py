"""Memory of process trees, shared pages divided among those who share them."""

from collections.abc import Iterable
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


def _pss_kib(pid: int) -> int:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    raise ValueError(f"Process {pid} tells no Pss.")
