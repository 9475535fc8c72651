"""The claims that this process holds: one thread renews their leases, ends what runs too long, and stops what was cancelled."""

import contextlib
import ctypes
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from uuid import UUID

from apps.engine.outcomes import Failed, NodeError
from apps.executions import protocol
from apps.executions.connection import TRANSIENT
from apps.executions.protocol import LEASE_SECONDS, ClaimedRun
from apps.nodes.contract import RunContext

log = logging.getLogger(__name__)

RENEW_AFTER_SECONDS = LEASE_SECONDS / 10
# What waits in a shared message need not begin at all if it was stopped meanwhile: that is asked more often, in one statement for all of
# them. Where those before it are as brief as they say, it never comes to that.
ASK_AFTER_SECONDS = LEASE_SECONDS / 60
# A worker that could not renew for this long takes its nodes to be somebody else's soon, and stops them.
ABANDON_AFTER_SECONDS = LEASE_SECONDS * 5 / 6
GRACE_SECONDS = 2.0
TICK_SECONDS = 0.25


class NodeInterruptedError(BaseException):
    """Raised inside a node that must stop. Not an `Exception`, so that the node's own handlers let it pass."""


@dataclass(slots=True, eq=False)
class Held:
    """A claim while it is being performed.

    holds       keys of nodes that are held at the moment, "" for all of them
    has_begun   it is being performed, or was
    is_to_stop  it is cancelled: where it has not begun yet, it must not
    give_up   called from the watching thread when the node would not stop: record this failure in its place
    """

    execution_id: UUID
    run: ClaimedRun
    give_up: Callable[[Failed], None]
    renewed_at: float = field(default_factory=time.monotonic)
    lock: threading.Lock = field(default_factory=threading.Lock)
    context: RunContext | None = None
    thread_id: int = 0
    deadline: float | None = None
    stop_reason: Failed | None = None
    stopped_at: float = 0.0
    is_lost: bool = False
    is_to_stop: bool = False
    has_begun: bool = False
    holds: frozenset[str] = frozenset()

    @property
    def patience_seconds(self) -> float:
        """How long after one renewal of its lease the next is due."""
        return RENEW_AFTER_SECONDS if self.has_begun else ASK_AFTER_SECONDS

    def stop(self, reason: Failed) -> None:
        """Interrupt the node that is being performed, if any; the first reason counts."""
        with self.lock:
            if self.stop_reason is not None or self.context is None:
                return
            self.stop_reason, self.stopped_at = reason, time.monotonic()
            context = self.context
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(self.thread_id), ctypes.py_object(NodeInterruptedError))
        context.cancel()

    @contextlib.contextmanager
    def performing(self, context: RunContext, timeout_seconds: float | None) -> Iterator[None]:
        """While inside, the node may be interrupted: NodeInterruptedError comes out of it."""
        self.thread_id = threading.get_ident()
        self.deadline = time.monotonic() + timeout_seconds if timeout_seconds else None
        self.stop_reason = None
        self.has_begun = True
        self.context = context
        try:
            yield
        finally:
            with self.lock:
                self.context = None
                self.deadline = None


class Leases:
    """All claims of this process."""

    def __init__(self) -> None:
        self._held: set[Held] = set()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    @contextlib.contextmanager
    def holding(self, held: list[Held]) -> Iterator[None]:
        """Keep these claims alive while inside."""
        with self._lock:
            self._held.update(held)
            if self._thread is None:
                self._thread = threading.Thread(target=self._watch, name="leases", daemon=True)
                self._thread.start()
        try:
            yield
        finally:
            with self._lock:
                self._held.difference_update(held)

    @property
    def count(self) -> int:
        return len(self._held)

    def _watch(self) -> None:
        while True:
            time.sleep(TICK_SECONDS)
            with self._lock:
                held = list(self._held)
            if held:
                self._check(held)

    def _check(self, held: list[Held]) -> None:
        now = time.monotonic()
        if old := [one for one in held if now - one.renewed_at > one.patience_seconds and not one.is_lost]:
            self.renew(old)
        for one in held:
            if one.deadline is not None and now > one.deadline:
                one.stop(Failed(NodeError("timeout", "The node took longer than its timeout_seconds.")))
            if now - one.renewed_at > ABANDON_AFTER_SECONDS:
                one.is_lost = True
                one.stop(_LOST)
            if one.stop_reason is not None and one.context is not None and now - one.stopped_at > GRACE_SECONDS:
                self._force(one)

    def renew(self, old: list[Held]) -> None:
        """Renew these leases, and learn which of the claims are lost or to be stopped. Without an answer all stays as it is."""
        try:
            verdicts = {row["token"]: row for row in protocol.renew(held=[(one.execution_id, one.run) for one in old])}
        except TRANSIENT as error:
            log.warning("Leases could not be renewed: %s", error)
            return
        now = time.monotonic()
        for one in old:
            verdict = verdicts[one.run.token]
            if verdict["is_lost"]:
                one.is_lost = True
                one.stop(_LOST)
                continue
            one.renewed_at = now
            one.holds = frozenset(verdict["holds"] or ())
            if verdict["is_cancelled"]:
                one.is_to_stop = True
                one.stop(CANCELLED)

    def _force(self, one: Held) -> None:
        """Go on without a node that does not stop: in a pool child of its own by ending the child, else by leaving its thread behind."""
        with self._lock:
            self._held.discard(one)
        reason = one.stop_reason
        if reason is not None and not one.is_lost:
            one.give_up(reason)
        if is_pool_child():
            log.error("%s of execution %s did not stop; ending this process.", one.run.key, one.execution_id)
            os.kill(os.getpid(), 9)
        log.error("%s of execution %s did not stop; its thread is left behind.", one.run.key, one.execution_id)


_LOST = Failed(NodeError("lease_lost", "Another worker holds this node run now."), is_final=True)
CANCELLED = Failed(NodeError("cancelled", "The execution was cancelled."), is_final=True)


def is_pool_child() -> bool:
    """Whether this process runs one task at a time, as a child of a prefork pool."""
    return _pool_child


def mark_pool_child() -> None:
    global _pool_child  # noqa: PLW0603  # a fact of the process
    _pool_child = True


def process_leases() -> Leases:
    """The claims of this process; a fork starts with none."""
    return _leases


def _reset() -> None:
    global _leases  # noqa: PLW0603
    _leases = Leases()


_pool_child = False
_leases = Leases()
os.register_at_fork(after_in_child=_reset)
