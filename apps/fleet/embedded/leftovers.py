"""What a killed supervisor may leave behind: a server that is still stopping, or a pid file of nobody."""

import signal
from pathlib import Path

import psutil

from apps.fleet.embedded.errors import ServiceError

STOPS_WITHIN_SECONDS = 20


def clear(pid_file: Path, *, works_in: Path, stop_signal: signal.Signals) -> None:
    """Stop the server that `pid_file` names if it still works in `works_in`, and remove the file.

    A pid file may name a process that has nothing to do with us, since numbers are used again: one that
    works elsewhere is left alone. Raises ServiceError when the server does not stop.
    """
    if (server := _find(pid_file, works_in)) is not None:
        server.send_signal(stop_signal)
        try:
            server.wait(STOPS_WITHIN_SECONDS)
        except psutil.TimeoutExpired as error:
            raise ServiceError(
                f"Process {server.pid} of an earlier start still uses {works_in} and does not stop; end it and start again."
            ) from error
    pid_file.unlink(missing_ok=True)


def _find(pid_file: Path, works_in: Path) -> psutil.Process | None:
    try:
        process = psutil.Process(int(pid_file.read_text().split(maxsplit=1)[0]))
        return process if Path(process.cwd()) == works_in.resolve() else None
    except (FileNotFoundError, ValueError, IndexError, psutil.NoSuchProcess, psutil.ZombieProcess):
        return None
