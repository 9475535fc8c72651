"""One claimed node run, performed together with the pure nodes that it makes ready."""

import hashlib
import logging
import time
from collections import deque
from collections.abc import Mapping
from typing import Any

import orjson

from apps.core.errors import UnavailableError
from apps.engine.errors import StructForgeError
from apps.engine.graph import OUTPUT_KEY, Graph, GraphNode
from apps.engine.outcomes import AskPeople, Deferred, Failed, NodeError, Outcome, StartChild, Succeeded
from apps.engine.statuses import NodeRunStatus
from apps.executions import protocol
from apps.executions.announcements import announce_hint
from apps.executions.children import child_end, with_child
from apps.executions.credentials import open_for_node
from apps.executions.protocol import Claim, ClaimedRun
from apps.executions.settlement import SKIPPED_END, End, Settlement, end_of
from apps.nodes.contract import NodeFailure, RunContext
from apps.nodes.credentials import HeldCredential
from apps.nodes.execute import perform
from apps.nodes.registry import get_type
from apps.nodes.triggering import BY_HAND
from apps.tasks.asking import task_end
from workers import faults
from workers.breakpoints import is_stopped, stop_before
from workers.leases import CANCELLED, Held, NodeInterruptedError
from workers.loops import LoopTurn
from workers.reuse import Reuse
from workers.values import Values

log = logging.getLogger(__name__)

# A stretch of pure nodes is bounded in number and in time: what is left over is queued for everybody.
MAX_RIDERS = 500
MAX_RIDE_SECONDS = 0.25
CANCELLED_END = End(status=NodeRunStatus.CANCELLED, error=CANCELLED.error.as_json())


class LeaseLostError(Exception):
    """Another worker holds the node run now: nothing more may be written, or done, for it."""


class Stretch:
    """Performs one claimed node run and what rides along, and gathers the settlement.

    is_shared   other node runs wait for this one to end: only brief nodes ride along
    """

    def __init__(self, graph: Graph, claim: Claim, run: ClaimedRun, values: Values, *, is_shared: bool = False) -> None:
        self._graph, self._claim, self._run, self._values = graph, claim, run, values
        self._is_shared = is_shared
        self.settlement = Settlement(graph, key=run.key, path=run.path, token=run.token)
        self.held = Held(execution_id=claim.execution_id, run=run, give_up=self._give_up, holds=claim.holds)
        self._current = run.key
        self._turn: LoopTurn | None = None
        self._reuse: Reuse | None = None
        self._shown: bytes | None = None

    def go(self) -> dict[str, Any]:
        """Perform, ride along, and return the document to be settled. Raises LeaseLostError."""
        if self.held.is_lost:
            raise LeaseLostError
        begun = time.monotonic()
        starting = deque(self._settle_head())
        left: list[str] = []
        while starting:
            key = starting.popleft()
            if self._rides(key, waiting=bool(starting or left), begun=begun):
                starting.extend(self._settle_rider(key))
            else:
                left.append(key)
        return self.settlement.document(starting=[] if self.settlement.is_fatal else left)

    def cancelled(self) -> dict[str, Any]:
        """The document of a node run that is not to be performed any more."""
        self.settlement.settle(self._run.key, CANCELLED_END, started=time.monotonic())
        return self.settlement.document(starting=[])

    def refused(self, refusal: StructForgeError) -> dict[str, Any]:
        """The document in place of the one that could not be written, because its node would start something that is refused.

        Nothing rides along: what rode along with the other document has seen that one's output.
        """
        node, run = self._graph.nodes[self._run.key], self._run
        self.settlement = Settlement(self._graph, key=run.key, path=run.path, token=run.token)
        failed = Failed(NodeError(refusal.code, refusal.message, dict(refusal.details)), is_final=True)
        end = self.end_of(node, failed, attempt=run.attempt - run.losses)
        return self.settlement.document(starting=self.settlement.settle(node.key, end, started=time.monotonic(), shown_input=self._shown))

    def _rides(self, key: str, *, waiting: bool, begun: float) -> bool:
        node = self._graph.nodes[key]
        if not node.traits.is_pure or self.settlement.is_fatal or len(self.settlement) >= MAX_RIDERS:
            return False
        if self.held.holds and not self.held.holds.isdisjoint(("", key)):
            return False  # it is queued, where the hold keeps it
        if not node.traits.is_brief and (waiting or self._is_shared):
            return False  # others can run it meanwhile
        return time.monotonic() - begun < MAX_RIDE_SECONDS

    def _settle_head(self) -> tuple[str, ...]:
        node, run = self._graph.nodes[self._run.key], self._run
        started = time.monotonic()
        if run.gate_live is not None and not node.starts(live=run.gate_live):
            return self.settlement.settle(node.key, SKIPPED_END, started=started)
        if node.traits.is_loop and not node.is_disabled:
            self._turn = LoopTurn(self, self._graph, self._claim, run, self._values)
            return self._turn.go(started)
        outcome, self._shown = self.perform(node, attempt=run.attempt, deferred=run.deferred)
        return self._settle(node, outcome, self._shown, started=started, attempt=run.attempt - run.losses)

    def _settle_rider(self, key: str) -> tuple[str, ...]:
        node, started = self._graph.nodes[key], time.monotonic()
        outcome, shown = self.perform(node, attempt=1, deferred=None)
        return self._settle(node, outcome, shown, started=started, attempt=1)

    def settle_in_iteration(self, key: str, path: str, values: Values) -> tuple[tuple[str, ...], bool]:
        """Perform a node of an iteration that rides along; the keys that start now in it, and whether it was cancelled."""
        node, started = self._graph.nodes[key], time.monotonic()
        outcome, shown = self.perform(node, attempt=1, deferred=None, values=values, path=path)
        follows = self._settle(node, outcome, shown, started=started, attempt=1, values=values, path=path)
        return follows, outcome is CANCELLED

    def _settle(
        self,
        node: GraphNode,
        outcome: Outcome | End,
        shown: bytes | None,
        *,
        started: float,
        attempt: int,
        values: Values | None = None,
        path: str | None = None,
    ) -> tuple[str, ...]:
        if isinstance(outcome, End):
            return self.settlement.settle(node.key, outcome, started=started, shown_input=shown, path=path)
        end, values = self.end_of(node, outcome, attempt=attempt), values or self._values
        if self._reuse is not None and end.status is NodeRunStatus.SUCCESS:
            self._reuse.keep(end)
        if isinstance(outcome, Succeeded) and (end.output_ref is not None or end.output is not None):
            values.add(node.key, outcome.output)
        elif end.output is not None:
            values.add(node.key, orjson.loads(end.output))
        values.variables.update(end.variables)
        values.kept.update(end.workflow_variables)
        return self.settlement.settle(node.key, end, started=started, shown_input=shown, path=path)

    def end_of(self, node: GraphNode, outcome: Outcome, *, attempt: int) -> End:
        if outcome is CANCELLED:
            return CANCELLED_END
        if isinstance(outcome, StartChild):
            return self._end_of_call(node, outcome, attempt)
        if isinstance(outcome, AskPeople):
            return task_end(node, outcome, self._claim, attempt=attempt)
        if not isinstance(outcome, Succeeded | Failed | Deferred):
            message = f"A node of type {node.type} returned {type(outcome).__name__}, which is for loops."
            outcome = Failed(NodeError("internal_error", message), is_final=True)
        return end_of(node, outcome, workspace_id=self._claim.workspace_id, attempt=attempt)

    def _end_of_call(self, node: GraphNode, outcome: StartChild, attempt: int) -> End:
        return child_end(node, outcome, self._claim, attempt=attempt)

    def perform(
        self,
        node: GraphNode,
        *,
        attempt: int,
        deferred: Mapping[str, Any] | None,
        values: Values | None = None,
        path: str | None = None,
        iterations: int = 0,
    ) -> tuple[Outcome | End, bytes | None]:
        """The outcome, and the resolved config for people to look at (None where it is the config as written).

        An End in place of the outcome is that of an earlier run, by the result cache.

        values, path   of the iteration that it rides along in, None: those of the claim
        """
        values = values or self._values
        if node.is_disabled:
            outputs = list(values.upstream(node).values())
            return Succeeded(outputs[0] if len(outputs) == 1 else {}), None
        if is_stopped(deferred):
            deferred = None  # it was let go on, and has not begun yet
        elif (stop := self._stop_before(node, attempt, deferred)) is not None:
            return stop, None
        try:
            scope = values.scope(node)
            config = node.template.resolve(scope)
            context = self._context(node, attempt, deferred, values, self._run.path if path is None else path)
            self._reuse = Reuse.of(self._claim, self._run, node, config=config, upstream=context.upstream, scope=scope)
        except StructForgeError as error:  # of an expression, or of the object store that has what it reads
            is_final = not isinstance(error, UnavailableError)
            return Failed(NodeError(error.code, error.message, dict(error.details)), is_final=is_final), None
        context.iterations = iterations
        if node.credentials and get_type(node.type).opens_credentials:
            try:
                context.credentials = self._credentials(node)
            except NodeFailure as failure:
                return failure.outcome, None
        shown = None if node.template.is_constant else orjson.dumps(context.redactor.json(config) if node.credentials else config)
        if self._reuse is not None and deferred is None and (found := self._reuse.find()) is not None:
            values.add(node.key, found.output)
            values.variables.update(found.end.variables)
            return found.end, shown
        self._before_effect(node)
        outcome = self._run_interruptibly(node, config, context, is_resumed=deferred is not None)
        faults.point("effect.after")
        return outcome, shown

    def _credentials(self, node: GraphNode) -> dict[str, HeldCredential]:
        return open_for_node(node.credentials, workspace_id=self._claim.workspace_id, version_id=self._claim.version_id)

    def _stop_before(self, node: GraphNode, attempt: int, deferred: Mapping[str, Any] | None) -> Outcome | None:
        """The stop of a test run; only a first try has one."""
        breakpoints = self._claim.breakpoints
        losses = self._run.losses if node.key == self._run.key else 0
        if breakpoints is None or deferred is not None or attempt > 1 + losses or node.key == OUTPUT_KEY:
            return None
        return stop_before(node.key, breakpoints, self._graph, self._values.scope_of)

    def _before_effect(self, node: GraphNode) -> None:
        if node.traits.is_pure:
            return
        change = {
            "key": node.key,
            "path": self._run.path,
            "status": "running",
            "revision": self._run.revision,
            "attempt": self._run.attempt,
        }
        if not node.traits.is_brief:
            announce_hint(self._claim.execution_id, [change])
        if node.traits.asks and self._is_shared and not protocol.begin_effect(execution_id=self._claim.execution_id, run=self._run):
            raise LeaseLostError

    def _context(self, node: GraphNode, attempt: int, deferred: Mapping[str, Any] | None, values: Values, path: str) -> RunContext:
        claim = self._claim
        identity = f"{claim.execution_id}/{node.key}/{path}"
        deferred = with_child(deferred) if deferred is not None else None
        return RunContext(
            execution_id=str(claim.execution_id),
            workspace_id=str(claim.workspace_id),
            key=node.key,
            path=path,
            attempt=attempt,
            idempotency_key=hashlib.sha256(identity.encode()).hexdigest(),
            timeout_seconds=node.timeout_seconds,
            input=claim.input,
            inputs_schema=self._graph.input_schema,
            upstream=values.upstream(node) if node.traits.reads_upstream else {},
            state=(deferred or {}).get("state"),
            signal=(deferred or {}).get("signal"),
            connected_ports=frozenset(port for port, _ in node.out),
            starts_by_hand=node.key in self._graph.entries and self._starts_by_hand(),
            depth=claim.depth,
        )

    def _starts_by_hand(self) -> bool:
        entries = (self._graph.nodes[key] for key in self._graph.entries)
        return any(node.type == BY_HAND and not node.is_disabled for node in entries)

    def _run_interruptibly(self, node: GraphNode, config: Any, context: RunContext, *, is_resumed: bool) -> Outcome:
        self._current = node.key
        outcome: Outcome | None = None
        try:
            with self.held.performing(context, node.timeout_seconds):
                outcome = perform(get_type(node.type), config, context, is_resumed)
        except NodeInterruptedError:
            log.info("%s of execution %s was interrupted.", node.key, self._claim.execution_id)
        if self.held.is_lost:
            raise LeaseLostError
        reason = self.held.stop_reason
        return reason if reason is not None and not isinstance(outcome, Succeeded) else outcome or _NO_OUTCOME

    def _give_up(self, reason: Failed) -> None:
        """Called from the watching thread: settle the node in place of the thread that is stuck in it."""
        node = self._graph.nodes[self._current]
        if self._turn is not None:
            # What its iterations did is not recorded: they are pure, and the loop ends with this.
            node = self._graph.nodes[self._run.key]
            self.settlement = Settlement(self._graph, key=self._run.key, path=self._run.path, token=self._run.token)
        end = self.end_of(node, reason, attempt=self._run.attempt - self._run.losses)
        starting = self.settlement.settle(node.key, end, started=time.monotonic())
        document = self.settlement.document(starting=starting)
        protocol.settle(execution_id=self._claim.execution_id, settlements=[document])


_NO_OUTCOME = Failed(NodeError("interrupted", "The node was interrupted."))
