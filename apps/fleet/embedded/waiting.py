import subprocess
import time
from collections.abc import Callable

from apps.fleet.embedded.errors import ServiceError

ASK_EVERY_SECONDS = 0.02


def wait_until(is_ready: Callable[[], bool], *, process: "subprocess.Popen[bytes]", within_seconds: float, name: str) -> None:
    """Return once `is_ready()`; raise ServiceError when the process ends before, or the time is over."""
    deadline = time.monotonic() + within_seconds
    while not is_ready():
        if process.poll() is not None:
            raise ServiceError(f"{name} ended with code {process.returncode} before it was ready; its output says why.")
        if time.monotonic() > deadline:
            raise ServiceError(f"{name} is not ready after {within_seconds:g} seconds.")
        time.sleep(ASK_EVERY_SECONDS)
