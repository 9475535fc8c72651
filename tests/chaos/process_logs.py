"""Reads the logs of all processes for what must not be there: unhandled exceptions, deadlocks, secrets."""

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

TRACEBACK = "Traceback (most recent call last):"
CHAINED = ("The above exception was", "During handling of the above exception")
RECORD = re.compile(r"\[\d{4}-|\d\d:\d\d:\d\d ")
LOUD = re.compile(r"\b(ERROR|CRITICAL)\b")
EXCEPTION = re.compile(r"^[A-Za-z_][\w.]*(Error|Exception|Exit|Interrupt|Shutdown|Timeout|Failure|Canceled|[A-Z]\w+)(:|$|\()")
DEADLOCK = re.compile(r"deadlock detected", re.IGNORECASE)
# The words with which Celery reports an exception that a task let out.
UNHANDLED = re.compile(r"raised unexpected")

# What the faults themselves explain, by fault: the end of a process, a server that does not answer.
LOST_CHILD = r"WorkerLostError|Process '.*' pid:\d+ exited with|Timed out waiting for UP message|Worker shutdown requested"
REDIS_AWAY = (
    r"redis\.exceptions\.(ConnectionError|TimeoutError|BusyLoadingError)|kombu\.exceptions\.OperationalError|Cannot connect to redis|"
    r"Connection to broker lost|ConnectionRefusedError|ConnectionResetError|BrokenPipeError|"
    r"Couldn't ack .*ConnectionError|Connection closed by server|Error 111"
)
POSTGRES_AWAY = (
    r"OperationalError|AdminShutdown|CannotConnectNow|CrashShutdown|InterfaceError|PoolTimeout|connection to server|"
    r"server closed the connection|the connection is (closed|lost)|database system|Database error while sync"
)
STOPPED = r"SystemExit|WorkerShutdown|WorkerTerminate|Restoring|received SIG"
EXPLAINED_BY = {
    "worker killed": LOST_CHILD,
    "child killed itself": LOST_CHILD,
    "redis away": REDIS_AWAY,
    "postgres crashed": POSTGRES_AWAY,
    "worker frozen": rf"{LOST_CHILD}|{REDIS_AWAY}",
    "beat frozen": rf"{REDIS_AWAY}|{POSTGRES_AWAY}",
    "SIGTERM": rf"{LOST_CHILD}|{STOPPED}",
    "SIGQUIT": rf"{LOST_CHILD}|{STOPPED}",
}
# By the signal of a test's own, or of a function that went wrong; or by the exit that such a one makes.
SELF_KILLED = re.compile(r"pid:(\d+) exited with '(?:signal 9 \(SIGKILL\)|signal 11 \(SIGSEGV\)|exitcode 7)'")
REFUSED = re.compile(r"Fenced: |was lost; its outcome is dropped")


def unexplained(logs: Path, fault_kinds: Iterable[str]) -> list[str]:
    """`file: line` of every loud line and every exception that no fault of these kinds explains."""
    patterns = [pattern for kind in set(fault_kinds) for name, pattern in EXPLAINED_BY.items() if name in kind]
    allowed = re.compile("|".join(patterns)) if patterns else None
    return [
        f"{path.name}: {line[:300]}"
        for path in _process_logs(logs)
        for line in _accusations(path)
        if UNHANDLED.search(line) or allowed is None or not allowed.search(line)
    ]


def deadlocks(logs: Path) -> list[str]:
    """Every line of any log that speaks of a deadlock."""
    return [f"{path.name}: {line.strip()[:300]}" for path in sorted(logs.glob("*.log")) for line in _lines(path) if DEADLOCK.search(line)]


def leaks(logs: Path, secrets: Sequence[str]) -> list[str]:
    """Names of logs that hold one of the secrets."""
    return [path.name for path in sorted(logs.glob("*.log")) if any(secret in path.read_text(errors="replace") for secret in secrets)]


def self_killed(logs: Path) -> set[int]:
    """Pids of pool children that died without being told to, as their parents saw it."""
    return {int(pid) for path in _process_logs(logs) for line in _lines(path) for pid in SELF_KILLED.findall(line)}


def refusals(logs: Path) -> int:
    """How often a late outcome was refused, as the workers said."""
    return sum(bool(REFUSED.search(line)) for path in _process_logs(logs) for line in _lines(path))


def _process_logs(logs: Path) -> list[Path]:
    return [path for path in sorted(logs.glob("*.log")) if path.stem.startswith(("worker", "beat", "web"))]


def _lines(path: Path) -> Iterator[str]:
    with path.open(errors="replace") as file:
        yield from file


def _accusations(path: Path) -> Iterator[str]:
    """Loud lines, and the last exception of each traceback; one that another followed was handled on the way."""
    pending: str | None = None
    in_traceback = False
    for raw in _lines(path):
        line = raw.rstrip("\n")
        if line.startswith(TRACEBACK):
            in_traceback = True
        elif line.startswith(CHAINED):
            pending = None
        elif in_traceback and EXCEPTION.match(line):
            in_traceback, pending = False, line
        elif RECORD.match(line) or LOUD.search(line):
            if pending is not None:
                yield pending
            pending, in_traceback = None, False
            if LOUD.search(line):
                yield line
    if pending is not None:
        yield pending
