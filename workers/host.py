"""Names of worker processes that tell, on the same host, whether the process still lives."""

import os
import socket
from functools import cache
from pathlib import Path

import psutil


@cache
def host() -> str:
    """This host and process namespace: two containers with one host name differ in the second part."""
    namespace = Path("/proc/self/ns/pid")
    number = namespace.readlink().name.strip("pid:[]") if namespace.exists() else "0"
    return f"{socket.gethostname()}/{number}"


@cache
def _created(pid: int) -> float:
    return psutil.Process(pid).create_time()


def label(pid: int | None = None) -> str:
    """`host/namespace:pid:start time`; a reused pid has another start time."""
    pid = pid or os.getpid()
    return f"{host()}:{pid}:{_created(pid):.2f}"


def is_alive(worker: str) -> bool:
    """Whether the process of this label lives. Labels of other hosts count as alive: their leases speak for them."""
    name, pid, started = worker.rsplit(":", 2)
    if name != host():
        return True
    try:
        process = psutil.Process(int(pid))
        return f"{process.create_time():.2f}" == started and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
