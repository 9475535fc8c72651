"""One claimed node run, performed together with the pure nodes that it makes ready."""

import hashlib
import logging
import time
from collections import deque
from collections.abc import Mapping
from typing import Any

import orjson
from django.conf import settings

from apps.core import object_store
from apps.engine.expressions import ExpressionError, Scope
from apps.engine.graph import OUTPUT_KEY, Graph, GraphNode
from apps.engine.outcomes import Failed, NodeError, Outcome, Succeeded
from apps.engine.statuses import NodeRunStatus
from apps.executions import protocol
from apps.executions.announcements import announce_hint
from apps.executions.protocol import Claim, ClaimedRun, Upstream
from apps.executions.settlement import SKIPPED_END, End, Settlement, end_of
from apps.nodes.contract import RunContext
from apps.nodes.execute import perform
from apps.nodes.registry import get_type
from workers import faults
from workers.breakpoints import is_stopped, stop_before
from workers.leases import CANCELLED, Held, NodeInterruptedError

log = logging.getLogger(__name__)

# A stretch of pure nodes is bounded in number and in time: what is left over is queued for everybody.
MAX_RIDERS = 500
MAX_RIDE_SECONDS = 0.25
CANCELLED_END = End(status=NodeRunStatus.CANCELLED, error=CANCELLED.error.as_json())


class LeaseLostError(Exception):
    """Another worker holds the node run now: nothing more may be written, or done, for it."""


class Values:
    """What expressions of one execution may read, fetched when it is first asked for."""

    def __init__(self, graph: Graph, claim: Claim) -> None:
        self._graph, self._claim = graph, claim
        self._upstream: dict[str, Upstream | None] = dict(claim.upstream)
        self._loaded: dict[str, Any] = {}
        self.variables = dict(claim.variables)
        self._execution = {
            "id": str(claim.execution_id),
            "workflow_id": str(claim.workflow_id),
            "version_id": str(claim.version_id),
            "trigger": claim.trigger,
            "business_key": claim.business_key,
            "created_at": claim.created_at,
        }

    @property
    def input(self) -> Any:
        return self._claim.input

    def add(self, key: str, output: Any) -> None:
        """Remember the output of a node that has just ended."""
        self._loaded[key] = output

    def output(self, key: str) -> Any:
        """The output of a node; {} where it has none: it was skipped, or has not run."""
        if key not in self._loaded:
            found = self._upstream.get(key)
            self._loaded[key] = {} if found is None else _load(found)
        return self._loaded[key]

    def scope(self, node: GraphNode) -> Scope:
        self.fetch(node.reads)
        return self.scope_of(node.template.nodes)

    def scope_of(self, keys: frozenset[str]) -> Scope:
        """What expressions read that name these nodes."""
        self.fetch(keys)
        return Scope(
            input=self._claim.input,
            variables=self.variables,
            nodes={key: self.output(key) for key in keys},
            execution=self._execution,
            env=settings.WORKFLOW_ENV,
        )

    def fetch(self, keys: frozenset[str]) -> None:
        """Read the outputs that the claim did not bring along."""
        missing = [key for key in keys if key not in self._loaded and key not in self._upstream]
        if missing:
            found = protocol.read_outputs(execution_id=self._claim.execution_id, keys=missing)
            self._upstream |= {key: found.get(key) for key in missing}

    def upstream(self, node: GraphNode) -> dict[str, Any]:
        """{predecessor: output} of the predecessors that ran."""
        self.fetch(frozenset(node.predecessors))
        return {key: self.output(key) for key in node.predecessors if self._ran(key)}

    def _ran(self, key: str) -> bool:
        if (found := self._upstream.get(key)) is not None:
            return found.status != NodeRunStatus.SKIPPED
        return key in self._loaded and self._loaded[key] != {}


def _load(upstream: Upstream) -> Any:
    if upstream.ref is not None:
        return orjson.loads(object_store.get(upstream.ref))
    return {} if upstream.status == NodeRunStatus.SKIPPED else upstream.output


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

    def go(self) -> dict[str, Any]:
        """Perform, ride along, and return the document to be settled. Raises LeaseLostError."""
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
        outcome, shown = self._perform(node, attempt=run.attempt, deferred=run.deferred)
        return self._settle(node, outcome, shown, started=started, attempt=run.attempt - run.losses)

    def _settle_rider(self, key: str) -> tuple[str, ...]:
        node, started = self._graph.nodes[key], time.monotonic()
        outcome, shown = self._perform(node, attempt=1, deferred=None)
        return self._settle(node, outcome, shown, started=started, attempt=1)

    def _settle(self, node: GraphNode, outcome: Outcome, shown: bytes | None, *, started: float, attempt: int) -> tuple[str, ...]:
        end = self._end_of(node, outcome, attempt=attempt)
        if end.output_ref is not None and isinstance(outcome, Succeeded):
            self._values.add(node.key, outcome.output)
        elif end.output is not None:
            self._values.add(node.key, orjson.loads(end.output))
        self._values.variables.update(end.variables)
        return self.settlement.settle(node.key, end, started=started, shown_input=shown)

    def _end_of(self, node: GraphNode, outcome: Outcome, *, attempt: int) -> End:
        return CANCELLED_END if outcome is CANCELLED else end_of(node, outcome, workspace_id=self._claim.workspace_id, attempt=attempt)

    def _perform(self, node: GraphNode, *, attempt: int, deferred: Mapping[str, Any] | None) -> tuple[Outcome, bytes | None]:
        """The outcome, and the resolved config for people to look at (None where it is the config as written)."""
        if node.is_disabled:
            outputs = list(self._values.upstream(node).values())
            return Succeeded(outputs[0] if len(outputs) == 1 else {}), None
        if is_stopped(deferred):
            deferred = None  # it was let go on, and has not begun yet
        elif (stop := self._stop_before(node, attempt, deferred)) is not None:
            return stop, None
        try:
            config = node.template.resolve(self._values.scope(node))
        except ExpressionError as error:
            return Failed(NodeError(error.code, error.message, dict(error.details)), is_final=True), None
        context = self._context(node, attempt, deferred)
        self._before_effect(node)
        outcome = self._run_interruptibly(node, config, context, is_resumed=deferred is not None)
        faults.point("effect.after")
        return outcome, None if node.template.is_constant else orjson.dumps(config)

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

    def _context(self, node: GraphNode, attempt: int, deferred: Mapping[str, Any] | None) -> RunContext:
        claim = self._claim
        identity = f"{claim.execution_id}/{node.key}/{self._run.path}"
        return RunContext(
            execution_id=str(claim.execution_id),
            workspace_id=str(claim.workspace_id),
            key=node.key,
            path=self._run.path,
            attempt=attempt,
            idempotency_key=hashlib.sha256(identity.encode()).hexdigest(),
            timeout_seconds=node.timeout_seconds,
            input=claim.input,
            inputs_schema=self._graph.input_schema,
            upstream=self._values.upstream(node) if node.traits.reads_upstream else {},
            state=(deferred or {}).get("state"),
            signal=(deferred or {}).get("signal"),
            connected_ports=frozenset(port for port, _ in node.out),
        )

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
        end = self._end_of(node, reason, attempt=self._run.attempt - self._run.losses)
        starting = self.settlement.settle(node.key, end, started=time.monotonic())
        document = self.settlement.document(starting=starting)
        protocol.settle(execution_id=self._claim.execution_id, settlements=[document])


_NO_OUTCOME = Failed(NodeError("interrupted", "The node was interrupted."))
