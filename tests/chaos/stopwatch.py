"""How long claims take, as the workers see it: each process appends to a file of its own, which survives its death."""

import os
import time
from pathlib import Path
from typing import Any

from apps.executions import protocol


def time_claims(folder: Path) -> None:
    """From now on, note the seconds of every claim of this process and its forks."""
    claim = protocol.claim
    files: dict[int, int] = {}

    def timed(**arguments: Any) -> Any:
        begun = time.perf_counter()
        try:
            return claim(**arguments)
        finally:
            took = time.perf_counter() - begun
            pid = os.getpid()
            if pid not in files:  # a fork has its own
                files[pid] = os.open(folder / f"claims-{pid}", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            os.write(files[pid], b"%.6f\n" % took)

    protocol.claim = timed


def seconds_of_claims(folder: Path) -> list[float]:
    """All that were noted, ascending; a line that its writer died in is left out."""
    lines = (line for path in folder.glob("claims-*") for line in path.read_bytes().split(b"\n")[:-1])
    return sorted(float(line) for line in lines)
