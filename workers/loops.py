"""One claimed run of a loop: it begins, goes on, or ends. Iterations of pure nodes ride along, one after the other."""

import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import orjson

from apps.engine.errors import StructForgeError
from apps.engine.graph import Graph, GraphNode, Loop
from apps.engine.outcomes import Failed, Gathered, Iterate, NodeError, Outcome
from apps.engine.statuses import NodeRunStatus
from apps.executions.gathering import TooLargeError, gather, output_of
from apps.executions.loop_items import item_at, store_items
from apps.executions.protocol import MAX_OUTPUT_BYTES, Claim, ClaimedRun
from apps.executions.settlement import End, stored_text
from workers.breakpoints import is_stopped
from workers.values import Values

if TYPE_CHECKING:
    from workers.stretch import Stretch

# Node runs that are written at once, and for how long other executions wait meanwhile.
MAX_ROWS = 1000
MAX_SECONDS = 0.5
SIGNAL = "$loop"

_TIMEOUT = Failed(NodeError("timeout", "The loop took longer than its timeout_seconds."), is_final=True)


class LoopTurn:
    """What a loop does with one claim. Its iterations are counted in PostgreSQL, and wake it again."""

    def __init__(self, stretch: "Stretch", graph: Graph, claim: Claim, run: ClaimedRun, values: Values) -> None:
        self._stretch, self._claim, self._run, self._values = stretch, claim, run, values
        self._node: GraphNode = graph.nodes[run.key]
        self._nodes = graph.nodes
        self._loop: Loop = graph.loops[run.key]
        self._body = frozenset(self._loop.body)
        self._settlement = stretch.settlement
        self._failure: Mapping[str, Any] | None = None
        self._open = run.loop.running if run.loop else 0
        self._is_cancelled = False

    def go(self, started: float) -> tuple[str, ...]:
        """Returns the keys that start now, after the loop."""
        shown: bytes | None = None
        try:
            outcome, shown = self._outcome()
            end = self._end_of(outcome)
        except StructForgeError as error:
            end = self._failed(error.code, f"What the loop needs could not be stored or read. {error.message}")
        if end.output is not None or end.output_ref is not None:
            self._values.add_stored(self._node.key, end.output, end.output_ref)
        return self._settlement.settle(self._node.key, end, started=started, shown_input=shown)

    def _outcome(self) -> tuple[Outcome | End, bytes | None]:
        run, state = self._run, self._run.loop
        attempt = run.attempt - run.losses
        if state is None:
            values = self._values.after_iteration(self._node.key, 0) if self._node.traits.binds_item else self._values
            stopped = run.deferred if is_stopped(run.deferred) else None
            return self._stretch.perform(self._node, attempt=attempt, deferred=stopped, values=values)
        if state.is_over:
            return _TIMEOUT, None
        if state.failure is not None:
            return _iteration_failed(state.failure), None
        if state.next_index < state.total or state.running or state.pending:
            return Iterate(parallel=state.parallel, collects=state.collects), None
        if not state.asks:
            return Gathered(), None
        values = self._values.after_iteration(self._node.key, state.next_index)
        deferred = run.deferred or {}
        return self._stretch.perform(self._node, attempt=attempt, deferred=deferred, values=values, iterations=state.next_index)

    def _end_of(self, outcome: Outcome | End) -> End:
        match outcome:
            case End():
                return outcome
            case Iterate():
                return self._iterate(outcome)
            case Gathered(is_last_only=is_last_only):
                return self._gathered(is_last_only)
        return self._stretch.end_of(self._node, outcome, attempt=self._run.attempt - self._run.losses)

    def _failed(self, code: str, message: str) -> End:
        return self._stretch.end_of(self._node, Failed(NodeError(code, message), is_final=True), attempt=1)

    # Iterations

    def _iterate(self, outcome: Iterate) -> End:
        state = self._run.loop
        begun = 0 if state is None else state.next_index
        total = self._total(begun, outcome)
        loop: dict[str, Any] = {"total": total} if state is not None else {"total": total, **self._beginning(outcome)}
        if self._rides(outcome.parallel):
            begun = self._ride(begun, total, outcome)
            loop["failure"] = self._failure
        self._settlement.go_on_with_loop(loop)
        goes_on_here = self._rides(outcome.parallel) and begun < total and self._failure is None and self._open < outcome.parallel
        deadline: dict[str, Any] = {"delay_seconds": self._node.timeout_seconds}
        if state is not None and state.deadline_at is not None:
            deadline = {"wake_at": state.deadline_at}
        else:
            loop["timeout_seconds"] = self._node.timeout_seconds
        if goes_on_here and not self._is_cancelled:
            return End(NodeRunStatus.QUEUED)
        return End(NodeRunStatus.WAITING, waits_for=SIGNAL, **deadline)

    def _total(self, begun: int, outcome: Iterate) -> int:
        state = self._run.loop
        if state is not None and (begun < state.total or state.running or state.pending):
            return state.total
        return begun + 1 if outcome.items is None else len(outcome.items)

    def _beginning(self, outcome: Iterate) -> dict[str, Any]:
        """What is recorded of a loop when it begins."""
        items = {} if outcome.items is None else store_items(outcome.items, self._claim.workspace_id)
        return {
            **items,
            "parallel": outcome.parallel,
            "collects": outcome.collects,
            "asks": outcome.items is None,
            "entries": [self._entry(self._nodes[key]) for key in self._loop.entries],
            "body": self._loop.body,
            "inside": self._loop.inside,
            "timeout_seconds": self._node.timeout_seconds,
        }

    def _entry(self, node: GraphNode) -> dict[str, str]:
        return {"key": node.key, "queue": node.traits.queue, "lost": node.traits.on_worker_lost}

    def _rides(self, parallel: int) -> bool:
        """Whether iterations are performed here; those that take their time are shared among workers, where they may be."""
        if self._claim.breakpoints is not None or not self._stretch.held.holds.isdisjoint({"", *self._body}):
            return False
        return self._loop.is_pure and (self._loop.is_brief or parallel == 1)

    def _ride(self, index: int, total: int, outcome: Iterate) -> int:
        """Perform iterations from this index on, as far as there is room; returns the first that is left."""
        begun, item_of = time.monotonic(), self._item_source(outcome)
        while index < total and self._open < outcome.parallel and not self._is_cancelled:
            self._perform_iteration(index, item_of(index), collects=outcome.collects)
            index += 1
            if self._failure is not None or len(self._settlement) >= MAX_ROWS or time.monotonic() - begun > MAX_SECONDS:
                break
        return index

    def _item_source(self, outcome: Iterate) -> Callable[[int], Any]:
        state = self._run.loop
        if outcome.items is not None:
            return outcome.items.__getitem__
        if state is None or state.asks:
            last = self._values.after_iteration(self._node.key, state.next_index if state else 0).item()
            return lambda index: last
        if state.blocks is not None:
            blocks = state.blocks
            return lambda index: item_at(blocks, index)
        return (state.items or []).__getitem__

    def _perform_iteration(self, index: int, item: Any, *, collects: bool) -> None:
        path = f"{self._run.path}.{index}" if self._run.path else str(index)
        settlement, loop = self._settlement, self._loop
        settlement.begin_iteration(path, index)
        values = self._values.in_iteration(path, item, self._body)
        starting = deque(loop.entries)
        while starting and settlement.iteration_status(path) == "running":
            key = starting.popleft()
            if len(settlement) >= 2 * MAX_ROWS or self._is_cancelled:
                settlement.leave(key, path)
                continue
            follows, self._is_cancelled = self._stretch.settle_in_iteration(key, path, values)
            starting.extend(follows)
        self._close(path, settlement.iteration_status(path), collects=collects)

    def _close(self, path: str, status: str, *, collects: bool) -> None:
        self._open += status == "running"
        if status != "failed":
            return
        self._settlement.stop_iteration(self._node.key, path)
        if not collects:
            self._failure = {"path": path, "error": self._settlement.iteration_error(path)}
            self._settlement.stop_loop(self._node.key, self._run.path)

    # The end

    def _gathered(self, is_last_only: bool) -> End:
        count = self._run.loop.next_index if self._run.loop else 0
        execution_id, key, path, sinks = self._claim.execution_id, self._node.key, self._run.path, self._loop.sinks
        try:
            if is_last_only:
                last = output_of(execution_id=execution_id, key=key, path=path, sinks=sinks, index=count - 1)
                data = orjson.dumps({"count": count, "last": orjson.Fragment(last)})
            else:
                data = gather(execution_id=execution_id, key=key, path=path, sinks=sinks) if count else b"[]"
        except TooLargeError:
            message = f"The outputs of the {count} iterations have more than {MAX_OUTPUT_BYTES} bytes together, and no more are kept."
            return self._failed("output_too_large", message)
        output, ref, fault = stored_text(data, self._claim.workspace_id)
        if fault is not None:
            return self._stretch.end_of(self._node, fault, attempt=1)
        return End(NodeRunStatus.SUCCESS, "out", output, ref)


def _iteration_failed(failure: Mapping[str, Any]) -> Failed:
    error, path = failure["error"], failure["path"]
    index = int(path.rpartition(".")[2])
    message = f"Iteration {index} failed at node '{error.get('node')}': {error.get('message')}"
    return Failed(NodeError("iteration_failed", message, {"index": index, "path": path, "error": error}), is_final=True)
