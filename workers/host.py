"""Names of worker processes that tell, on the same host, whether the process still lives."""

import os
import socket
from functools import cache
from pathlib import Path

import psutil

PROC = Path("/proc")
_START_TICKS = 19  # of the fields after the process's name, which may itself hold spaces and brackets


@cache
def host() -> str:
    """This host and process namespace: two containers with one host name differ in the second part."""
    namespace = PROC / "self/ns/pid"
    number = namespace.readlink().name.strip("pid:[]") if namespace.exists() else "0"
    return f"{socket.gethostname()}/{number}"


def label(pid: int | None = None) -> str:
    """`host/namespace:pid:start`; a reused pid has another start."""
    return _label(pid or os.getpid())


@cache
def _label(pid: int) -> str:
    return f"{host()}:{pid}:{_started(pid)}"


def is_alive(worker: str) -> bool:
    """Whether the process of this label lives. Labels of other hosts count as alive: their leases speak for them."""
    name, pid, started = worker.rsplit(":", 2)
    if name != host():
        return True
    try:
        return _started(int(pid)) == started and psutil.Process(int(pid)).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _started(pid: int) -> str:
    """When the process started, in ticks since the machine did: an instant of the wall clock would move whenever that clock is set.

    Raises psutil.NoSuchProcess.

    Source: proc_pid_stat(5), field 22.
    """
    if not PROC.exists():
        return f"{psutil.Process(pid).create_time():.0f}"
    try:
        return (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()[_START_TICKS]
    except (FileNotFoundError, ProcessLookupError) as error:
        raise psutil.NoSuchProcess(pid) from error
