"""From the outcomes of nodes to the one document that `settle_v3` writes."""

import random
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson

from apps.core import object_store
from apps.core.object_store import ObjectStoreError
from apps.engine.graph import OUTPUT_KEY, Graph, GraphNode
from apps.engine.outcomes import Deferred, Failed, NodeError, Succeeded
from apps.engine.planner import Arrivals, Fatal, Handled, Retrying, Settled, Walk, after_failure
from apps.engine.statuses import NodeRunStatus
from apps.executions.protocol import INLINE_LIMIT_BYTES, MAX_OUTPUT_BYTES

# A resolved config is kept for people to look at; a long one would only repeat the outputs that it was made of.
MAX_SHOWN_INPUT_BYTES = 16 * 1024


@dataclass(frozen=True, slots=True)
class End:
    """How one perform of a node ended, in the words of `settle_v3`.

    output      JSON text, None where there is none or `output_ref` holds it
    workflow_variables   variables of the workflow to write
    is_fatal    the execution fails with it
    delay_seconds, wake_at, waits_for, state   of a node run that goes on later
    child       execution that is started with it, in the words of `start_child_v1` as `counted_v1.sql` has it
    """

    status: NodeRunStatus
    port: str | None = None
    output: bytes | None = None
    output_ref: str | None = None
    error: Mapping[str, Any] | None = None
    variables: Mapping[str, Any] = field(default_factory=dict)
    workflow_variables: Mapping[str, Any] = field(default_factory=dict)
    is_fatal: bool = False
    delay_seconds: float | None = None
    wake_at: datetime | None = None
    waits_for: str | None = None
    state: Any = None
    child: Mapping[str, Any] | None = None


SKIPPED_END = End(status=NodeRunStatus.SKIPPED)


def end_of(node: GraphNode, outcome: Succeeded | Failed | Deferred, *, workspace_id: UUID, attempt: int, draw: float | None = None) -> End:
    """Say how a node run ends with this outcome; large outputs go to the object store on the way.

    Whose output cannot be stored has failed; it is not tried again where that would repeat an effect outside.

    attempt   tries so far without those lost with their workers
    """
    if isinstance(outcome, Succeeded):
        output, ref, fault = stored(outcome.output, workspace_id)
        if fault is None:
            kept = outcome.workflow_variables
            return End(NodeRunStatus.SUCCESS, outcome.port, output, ref, variables=outcome.variables, workflow_variables=kept)
        outcome = replace(fault, is_final=fault.is_final or node.traits.asks)
    if isinstance(outcome, Deferred):
        return End(
            NodeRunStatus.WAITING,
            delay_seconds=outcome.delay_seconds,
            wake_at=outcome.until,
            waits_for=outcome.signal,
            state=outcome.state,
        )
    return _end_of_failure(node, outcome, workspace_id, attempt, random.random() if draw is None else draw)


def _end_of_failure(node: GraphNode, failed: Failed, workspace_id: UUID, attempt: int, draw: float) -> End:
    error = failed.error.as_json()
    match after_failure(node, failed, attempt=attempt, draw=draw):
        case Retrying(delay_seconds=delay):
            return End(NodeRunStatus.RETRYING, error=error, delay_seconds=delay)
        case Handled(settled=settled, output=output):
            kept, ref, fault = stored(output, workspace_id)
            return End(settled.status, settled.port, kept, ref, error=fault.error.as_json() if fault else error)
        case Fatal():
            return End(NodeRunStatus.FAILED, error=error, is_fatal=True)


def stored(output: Any, workspace_id: UUID) -> tuple[bytes | None, str | None, Failed | None]:
    """(JSON text, None, None) for a small output, (None, reference, None) for a large one, or the failure that it is."""
    return stored_text(orjson.dumps(output), workspace_id)


def stored_text(data: bytes, workspace_id: UUID) -> tuple[bytes | None, str | None, Failed | None]:
    """As above, of an output that is JSON text already."""
    if len(data) <= INLINE_LIMIT_BYTES:
        return data, None, None
    if len(data) > MAX_OUTPUT_BYTES:
        message = f"The output has {len(data)} bytes; at most {MAX_OUTPUT_BYTES} are kept."
        return None, None, Failed(NodeError("output_too_large", message), is_final=True)
    try:
        return None, object_store.put(str(workspace_id), data), None
    except ObjectStoreError as error:
        return None, None, Failed(NodeError(error.code, f"The output could not be stored. {error.message}"))


class Settlement:
    """All that one claimed node run leads to, gathered until it is written: its own end, and what rode along.

    What rode along has the path of the claimed node run; where that is a loop, it may also have that of one of the loop's iterations.
    """

    def __init__(self, graph: Graph, *, key: str, path: str, token: UUID) -> None:
        self._graph = graph
        self._walks: dict[str, Walk] = {path: Walk(graph)}
        self._key, self._path, self._token = key, path, token
        self._head: dict[str, Any] | None = None
        self._rows: list[dict[str, Any]] = []
        self._next: list[dict[str, Any]] = []
        self._variables: dict[str, Any] = {}
        self._workflow_variables: dict[str, Any] = {}
        self._failure: Mapping[str, Any] | None = None
        self._more: dict[str, Any] = {}
        self._ends: list[dict[str, Any]] = []
        self._stops: list[dict[str, Any]] = []
        self._iterations: dict[str, dict[str, Any]] = {}
        self.is_fatal = False

    def __len__(self) -> int:
        return len(self._rows) + (self._head is not None)

    @property
    def stops_others(self) -> bool:
        """Whether node runs of others may have to stop with it."""
        return self.is_fatal or bool(self._stops) or any(end["error"] is not None for end in self._ends)

    @property
    def variables(self) -> Mapping[str, Any]:
        """Execution variables that its nodes wrote."""
        return self._variables

    def settle(self, key: str, end: End, *, started: float, shown_input: bytes | None = None, path: str | None = None) -> tuple[str, ...]:
        """Add the end of a node run; returns the keys that start now, at the same path.

        started   `time.monotonic()` when it began
        path      that of the claimed node run where it is None
        """
        node, at = self._graph.nodes[key], self._path if path is None else path
        self._add(node, end, at, started=started, shown_input=shown_input)
        self._variables.update(end.variables)
        if node.traits.is_loop and end.status.is_settled and end.status is not NodeRunStatus.SUCCESS:
            self.stop_loop(key, at)
        self._workflow_variables.update(end.workflow_variables)
        if end.is_fatal:
            self._fail(node, at, {**(end.error or {}), "node": key})
            return ()
        if not end.status.is_settled:
            return ()
        if key == OUTPUT_KEY:
            self._more |= {"output": _fragment(end.output), "output_ref": end.output_ref}
        if at not in self._walks:
            self._walks[at] = Walk(self._graph)
        follows = self._walks[at].settle(key, Settled(end.status, end.port))
        for skipped in follows.skipped:
            self._add(self._graph.nodes[skipped], SKIPPED_END, at, started=started)
        return tuple(ready for ready in follows.ready if not self._ends_iteration(ready, at))

    def _add(self, node: GraphNode, end: End, at: str, *, started: float, shown_input: bytes | None = None) -> None:
        row = _row(node, end, started=started, shown_input=shown_input)
        if at != self._path:
            self._rows.append(row | {"path": at})
        elif node.key == self._key:
            self._head = row
            if end.child is not None:
                self._more["child"] = end.child
        else:
            self._rows.append(row)

    def _fail(self, node: GraphNode, at: str, error: Mapping[str, Any]) -> None:
        self.is_fatal = self.is_fatal or at == self._path
        if node.parent is None:
            self._failure = error
        else:
            self._end_iteration(node.parent, at, error)

    def _ends_iteration(self, key: str, at: str) -> bool:
        loop = self._graph.nodes[key].ends_loop
        if loop is not None:
            self._end_iteration(loop, at, None)
        return loop is not None

    # Loops

    def begin_iteration(self, path: str, index: int) -> None:
        """Add an iteration of the claimed loop, which rides along as far as its nodes are settled here."""
        self._iterations[path] = {"path": path, "index": index, "status": "running", "started": time.monotonic()}

    def iteration_status(self, path: str) -> str:
        return str(self._iterations[path]["status"])

    def iteration_error(self, path: str) -> Any:
        return self._iterations[path].get("error")

    def go_on_with_loop(self, loop: Mapping[str, Any]) -> None:
        """Record how far the claimed loop has come, in the words of `run_loop_v1`."""
        self._more["loop"] = loop

    def stop_loop(self, key: str, path: str) -> None:
        """Cancel all that is left of a loop."""
        loop = self._graph.loops[key]
        self._stops.append({"here": [], "inside": [key, *loop.body, *loop.inside], "path": path})

    def stop_iteration(self, key: str, path: str) -> None:
        """Cancel all that is left of one iteration of a loop."""
        loop = self._graph.loops[key]
        self._stops.append({"here": loop.body, "inside": loop.inside, "path": path})

    def leave(self, key: str, path: str) -> None:
        """Queue a node of an iteration that cannot ride along."""
        self._next.append({**_place(self._graph.nodes[key]), "path": path})

    def _end_iteration(self, loop: str, at: str, error: Mapping[str, Any] | None) -> None:
        if at in self._iterations:
            self._iterations[at] |= {"status": "failed" if error else "success", "error": error, "finished": time.monotonic()}
        else:
            self._ends.append({"key": loop, "path": at, "error": error})

    # Writing

    def document(self, *, starting: Iterable[str]) -> dict[str, Any]:
        """The shape that `settle_v3` takes. `starting`: keys that start now and did not ride along."""
        assert self._head is not None  # nothing is settled without the claimed node run
        now = time.monotonic()
        for row in (self._head, *self._rows, *self._iterations.values()):
            row["started_ms"] = (now - row.pop("started")) * 1000
            row["finished_ms"] = (now - row.pop("finished", now)) * 1000
        document = {
            "key": self._key,
            "path": self._path,
            "token": self._token,
            "rows": [self._head, *self._rows],
            "next": [*(_place(self._graph.nodes[key]) for key in starting), *self._next],
            "gates": [self._gate(key, at, arrivals) for at, walk in self._walks.items() for key, arrivals in walk.arrivals.items()],
            "variables": self._variables or None,
            "failure": self._failure,
        }
        if self._workflow_variables:
            document["workflow_variables"] = self._workflow_variables
        lists = {"ends": self._ends, "stops": self._stops, "iterations": list(self._iterations.values())}
        return document | self._more | {name: values for name, values in lists.items() if values}

    def _gate(self, key: str, at: str, arrivals: Arrivals) -> dict[str, Any]:
        node = self._graph.nodes[key]
        counts = {"settled": arrivals.settled, "live": arrivals.live, "expected": node.expected, "needed": node.needed}
        gate: dict[str, Any] = {**_place(node), **counts}
        if at != self._path:
            gate["path"] = at
        if node.ends_loop is not None:
            gate |= {"key": node.ends_loop, "ends": node.ends_loop}
        if node.loses is not None:
            gate["loses"] = {"here": node.loses.here, "inside": node.loses.inside}
        return gate


def _row(node: GraphNode, end: End, *, started: float, shown_input: bytes | None = None) -> dict[str, Any]:
    row: dict[str, Any] = {
        **_place(node),
        "status": end.status,
        "port": end.port,
        "output_ref": end.output_ref,
        "started": started,
        "finished": time.monotonic(),
    }
    if end.output is not None:
        row["output"] = orjson.Fragment(end.output)
    if end.error is not None:
        row["error"] = end.error
    if shown_input is not None and len(shown_input) <= MAX_SHOWN_INPUT_BYTES:
        row["input"] = orjson.Fragment(shown_input)
    if not end.status.is_settled:
        row |= {"delay_seconds": end.delay_seconds, "wake_at": end.wake_at, "waits_for": end.waits_for, "state": end.state}
    return row


def _place(node: GraphNode) -> dict[str, Any]:
    return {"key": node.key, "queue": node.traits.queue, "lost": node.traits.on_worker_lost}


def _fragment(data: bytes | None) -> Any:
    return None if data is None else orjson.Fragment(data)
