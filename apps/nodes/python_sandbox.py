"""Python of strangers, run by Monty: an interpreter of its own, in a pool of child processes, without files, network or environment.

A snippet that loops, eats memory or crashes its interpreter costs one child; the pool replaces it.
"""

import os
import signal
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic_monty import (
    Monty,
    MontyConversionError,
    MontyCrashedError,
    MontyRuntimeError,
    MontySyntaxError,
)

from apps.nodes.contract import NodeFailure

MAX_CHILDREN = 4
WAIT_SECONDS = 60.0
MAX_PRINTED = 16 * 1024

# By process: a forked one keeps the pool of its parent, since to drop it would be to end the children of the parent, but uses its own.
_pools: dict[int, Monty] = {}
_lock = threading.Lock()
os.register_at_fork(before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_lock.release)


def sandboxes() -> Monty:
    """The pool of this process, started when it is first needed."""
    with _lock:
        if (pool := _pools.get(os.getpid())) is None:
            pool = Monty(min_processes=1, max_processes=MAX_CHILDREN, checkout_timeout=WAIT_SECONDS)
            pool.__enter__()
            _pools[os.getpid()] = pool
        return pool


@dataclass(slots=True)
class Printed:
    """What a snippet printed, cut off at 16 KiB."""

    text: str = ""

    def add(self, stream: Literal["stdout", "stderr"], text: str) -> None:
        self.text += text[: MAX_PRINTED - len(self.text)]


@dataclass(slots=True)
class _Child:
    """The child that runs the snippet now. A pooled child serves others afterwards, so it is killed under the lock or not at all."""

    pid: int | None
    is_killed: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)

    def kill(self) -> None:
        with self.lock:
            if self.pid is not None:
                self.is_killed = True
                os.kill(self.pid, signal.SIGKILL)

    def let_go(self) -> None:
        with self.lock:
            self.pid = None


def run(
    code: str,
    inputs: Mapping[str, Any],
    *,
    timeout_seconds: float,
    memory_bytes: int,
    printed: Printed,
    on_cancel: Callable[[Callable[[], None]], None],
) -> Any:
    """Run a snippet with `inputs` as variables, and return what it returns, or the value of its last expression.

    on_cancel   given the callback that kills the snippet, from any thread

    Raises NodeFailure: code_error, timeout, memory_exceeded, sandbox_crashed, sandbox_busy, sandbox_unavailable, cancelled.
    """
    try:
        session = sandboxes().checkout(
            limits={"max_feed_duration_secs": timeout_seconds, "max_memory": memory_bytes},
            os_policy={"sleep": "zero"},  # a sandbox that nothing happens around has nothing to wait for
        )
        with session:
            child = _Child(session.worker_pid)
            on_cancel(child.kill)
            try:
                return session.feed_run(code, inputs=dict(inputs), print_callback=printed.add)
            except MontyCrashedError as error:
                raise _crash(error, child, timeout_seconds) from error
            finally:
                child.let_go()
    except TimeoutError as error:
        raise NodeFailure("sandbox_busy", f"No sandbox became free within {WAIT_SECONDS:g} s.", retry_after_seconds=1) from error
    except RuntimeError as error:
        # No interpreter could be started. The code is never run in another way.
        raise NodeFailure("sandbox_unavailable", f"The Python sandbox does not start: {error}.", is_final=True) from error
    except (MontySyntaxError, MontyRuntimeError) as error:
        raise _failure(error, timeout_seconds, memory_bytes) from error
    except MontyConversionError as error:
        raise NodeFailure("code_error", f"A value does not fit into the sandbox: {error}.", is_final=True) from error


def _crash(error: MontyCrashedError, child: _Child, timeout_seconds: float) -> NodeFailure:
    if child.is_killed:
        return NodeFailure("cancelled", "The code was cancelled.", is_final=True)
    if error.timed_out:
        return NodeFailure("timeout", f"The code took longer than {timeout_seconds:g} s.")
    return NodeFailure("sandbox_crashed", "The sandbox of the code crashed; other nodes are not affected.")


def _failure(error: MontySyntaxError | MontyRuntimeError, timeout_seconds: float, memory_bytes: int) -> NodeFailure:
    inner, message = error.exception(), error.display("type-msg")
    if isinstance(inner, TimeoutError) and str(inner).startswith("feed time limit exceeded"):
        return NodeFailure("timeout", f"The code took longer than {timeout_seconds:g} s.")
    if isinstance(inner, MemoryError):
        return NodeFailure("memory_exceeded", f"The code needs more than {memory_bytes // 2**20} MB of memory.")
    last = next(iter(reversed(error.traceback())), None)
    if last is None:
        return NodeFailure("code_error", message, exception=type(inner).__name__)
    return NodeFailure(
        "code_error",
        f"{message} (line {last.line})",
        exception=type(inner).__name__,
        line=last.line,
        source=(last.source_line or "").strip()[:200],
        function=last.function_name,
    )
