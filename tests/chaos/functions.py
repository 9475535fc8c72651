"""The node functions of the load. Workers import this module by the setting NODE_FUNCTION_MODULES."""

import ctypes
import os
import signal
import time
from pathlib import Path
from typing import Any, Literal

from apps.nodes.contract import Effect, RunContext
from apps.nodes.functions import node_function
from tests.chaos import stopwatch
from tests.chaos.effects import append, note_death, work_and_append

SLOW_SECONDS = 1.5
BLOCK_BYTES, BLOCKS = 32 * 1024 * 1024, 2

if folder := os.environ.get("CHAOS_TIMINGS"):
    stopwatch.time_claims(Path(folder))


@node_function("chaos.idempotent", effect=Effect.IDEMPOTENT)
def idempotent(key: str, context: RunContext, value: Any = None) -> dict[str, Any]:
    """Work a little and leave a row; doing so twice is allowed, and counted."""
    return work_and_append(context, {"key": key, "value": value}, is_external=False)


@node_function("chaos.external", effect=Effect.EXTERNAL)
def external(key: str, context: RunContext, value: Any = None) -> dict[str, Any]:
    """Work a little and leave a row that must never be there twice."""
    return work_and_append(context, {"key": key, "value": value}, is_external=True)


@node_function("chaos.brief", effect=Effect.IDEMPOTENT, brief=True)
def brief(key: str, context: RunContext, value: Any = None) -> dict[str, Any]:
    """Leave a row, and do nothing else."""
    return append(context, {"key": key, "value": value}, is_external=False)


@node_function("chaos.slow", effect=Effect.IDEMPOTENT)
def slow(key: str, context: RunContext, value: Any = None) -> dict[str, Any]:
    """Take a few seconds, in which the node may be cancelled, then leave a row."""
    until = time.monotonic() + SLOW_SECONDS
    while time.monotonic() < until:
        time.sleep(0.05)
    return append(context, {"key": key, "value": value}, is_external=False)


@node_function("chaos.poison", effect=Effect.IDEMPOTENT)
def poison(kind: Literal["memory", "segfault", "exit"], context: RunContext) -> None:
    """Take the process down: always, and each time in the same way."""
    note_death(context, kind)
    match kind:
        case "memory":
            # Several times what the process has to itself, and no more: filling memory is the node's own work, and would be measured as if
            # the death had cost it. The kernel's killer is played by the signal that it would send.
            hoard = [bytearray(os.urandom(1)) * BLOCK_BYTES for _ in range(BLOCKS)]
            os.kill(os.getpid(), signal.SIGKILL)
            del hoard
        case "segfault":
            ctypes.string_at(0)
        case "exit":
            os._exit(7)
