"""Waiting for real processes, with a deadline."""

import time
from collections.abc import Callable, Iterable

import psutil

LOOK_EVERY_SECONDS = 0.02


def wait_for(condition: Callable[[], bool], *, within_seconds: float, otherwise: Callable[[], str] = lambda: "") -> None:
    """Return once `condition()` holds; fail with `otherwise()` when it does not in time."""
    deadline = time.monotonic() + within_seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {within_seconds:g} s: {otherwise()}"
        time.sleep(LOOK_EVERY_SECONDS)


def wait_until_gone(processes: Iterable[psutil.Process], *, within_seconds: float) -> None:
    """Fail when one of `processes` still runs at the end; one that waits to be collected by its parent has ended."""
    listed = list(processes)
    wait_for(
        lambda: not any(is_running(process) for process in listed),
        within_seconds=within_seconds,
        otherwise=lambda: f"still running: {[process for process in listed if is_running(process)]}",
    )


def is_running(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
