"""A few child processes that answer requests over their pipes, kept warm, replaced when they die, and killed when they are late."""

import atexit
import os
import select
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

# Given a callback that ends the work from another thread, as RunContext.on_cancel is.
OnCancel = Callable[[Callable[[], None]], None]


class ChildLateError(Exception):
    """No answer came in time; the child was killed."""


class ChildDiedError(Exception):
    """The child ended without an answer."""

    def __init__(self, signal: int | None) -> None:
        super().__init__(f"the child was ended by signal {signal}" if signal else "the child exited")
        self.signal = signal


class ChildCancelledError(Exception):
    """The child was killed because its answer was not wanted any more."""


class PoolBusyError(Exception):
    """No child became free in time."""


class _Child:
    """One process; messages are their length in 4 bytes, big-endian, and themselves."""

    def __init__(self, command: Sequence[str]) -> None:
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0, env={}, cwd="/")
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._requests, self._answers = self._process.stdin, self._process.stdout
        os.set_blocking(self._requests.fileno(), False)
        self._lock = threading.Lock()
        self._is_taken = self._is_cancelled = False

    def take(self, on_cancel: OnCancel | None) -> None:
        """Begin to work for a caller, who may cancel from now until the answer."""
        self._is_taken = True
        if on_cancel is not None:
            on_cancel(self.cancel)

    def ask(self, request: bytes, deadline: float) -> bytes:
        try:
            self._write(struct.pack(">I", len(request)) + request, deadline)
            (length,) = struct.unpack(">I", self._read(4, deadline))
            return self._read(length, deadline)
        except (BrokenPipeError, EOFError) as error:
            if self._is_cancelled:
                raise ChildCancelledError from error
            code = self._process.wait()
            raise ChildDiedError(-code if code < 0 else None) from error
        finally:
            with self._lock:
                self._is_taken = False

    def cancel(self) -> None:
        """Kill it, from any thread, unless it has answered: then it works for somebody else."""
        with self._lock:
            if self._is_taken:
                self._is_cancelled = True
                self._process.kill()

    def end(self) -> None:
        self._process.kill()
        self._process.wait()
        self.forget()

    def forget(self) -> None:
        self._requests.close()
        self._answers.close()

    def _write(self, data: bytes, deadline: float) -> None:
        left = memoryview(data)
        while left:
            _wait(self._requests.fileno(), select.POLLOUT, deadline)
            left = left[os.write(self._requests.fileno(), left) :]

    def _read(self, length: int, deadline: float) -> bytes:
        data = bytearray()
        while len(data) < length:
            _wait(self._answers.fileno(), select.POLLIN, deadline)
            if not (chunk := os.read(self._answers.fileno(), min(length - len(data), 1024 * 1024))):
                raise EOFError
            data += chunk
        return bytes(data)


def _wait(descriptor: int, event: int, deadline: float) -> None:
    poll = select.poll()
    poll.register(descriptor, event)
    if not poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
        raise ChildLateError


class ChildPool:
    """At most `size` children, started when they are needed, each serving one request at a time.

    command        what a child runs, with an empty environment
    wait_seconds   how long a request waits for a free child
    """

    def __init__(self, command: Sequence[str], *, size: int, wait_seconds: float) -> None:
        self._command, self._size, self._wait_seconds = command, size, wait_seconds
        self._idle: list[_Child] = []
        self._free = threading.Semaphore(size)
        self._inherited: list[_Child] = []
        os.register_at_fork(after_in_child=self._start_afresh)
        atexit.register(self.close)

    def ask(self, request: bytes, *, seconds: float, on_cancel: OnCancel | None = None) -> bytes:
        """Answer to one request.

        seconds     counted from when a child is free
        on_cancel   given a callback that kills the child while it works on this request

        Raises ChildLateError, ChildDiedError, ChildCancelledError or PoolBusyError.
        """
        if not self._free.acquire(timeout=self._wait_seconds):
            raise PoolBusyError
        try:
            child = self._take()
            try:
                child.take(on_cancel)
                answer = child.ask(request, time.monotonic() + seconds)
            except BaseException:
                child.end()
                raise
            self._idle.append(child)
            return answer
        finally:
            self._free.release()

    def close(self) -> None:
        """End the children that are idle."""
        while self._idle:
            self._idle.pop().end()

    def _take(self) -> _Child:
        with suppress(IndexError):
            return self._idle.pop()
        return _Child(self._command)

    def _start_afresh(self) -> None:
        # The children belong to the parent of this forked process: they are neither asked nor ended here, but their pipes are let go.
        for child in self._idle:
            child.forget()
        self._inherited += self._idle
        self._idle = []
        self._free = threading.Semaphore(self._size)
