"""From the outcomes of nodes to the one document that `settle_v1` writes."""

import random
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson

from apps.core import object_store
from apps.engine.errors import StructForgeError
from apps.engine.graph import OUTPUT_KEY, Graph, GraphNode
from apps.engine.outcomes import Deferred, Failed, NodeError, Outcome, Succeeded
from apps.engine.planner import Fatal, Handled, Retrying, Settled, Walk, after_failure
from apps.engine.statuses import NodeRunStatus
from apps.executions.protocol import INLINE_LIMIT_BYTES, MAX_OUTPUT_BYTES

# A resolved config is kept for people to look at; a long one would only repeat the outputs that it was made of.
MAX_SHOWN_INPUT_BYTES = 16 * 1024


@dataclass(frozen=True, slots=True)
class End:
    """How one perform of a node ended, in the words of `settle_v1`.

    output      JSON text, None where there is none or `output_ref` holds it
    is_fatal    the execution fails with it
    delay_seconds, wake_at, waits_for, state   of a node run that goes on later
    """

    status: NodeRunStatus
    port: str | None = None
    output: bytes | None = None
    output_ref: str | None = None
    error: Mapping[str, Any] | None = None
    variables: Mapping[str, Any] = field(default_factory=dict)
    is_fatal: bool = False
    delay_seconds: float | None = None
    wake_at: datetime | None = None
    waits_for: str | None = None
    state: Any = None


SKIPPED_END = End(status=NodeRunStatus.SKIPPED)


def end_of(node: GraphNode, outcome: Outcome, *, workspace_id: UUID, attempt: int, draw: float | None = None) -> End:
    """Say how a node run ends with this outcome; large outputs go to the object store on the way.

    attempt   tries so far without those lost with their workers
    """
    if isinstance(outcome, Succeeded):
        output, ref, fault = stored(outcome.output, workspace_id)
        if fault is None:
            return End(NodeRunStatus.SUCCESS, outcome.port, output, ref, variables=outcome.variables)
        outcome = fault
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
    data = orjson.dumps(output)
    if len(data) <= INLINE_LIMIT_BYTES:
        return data, None, None
    if len(data) > MAX_OUTPUT_BYTES:
        message = f"The output has {len(data)} bytes; at most {MAX_OUTPUT_BYTES} are kept."
        return None, None, Failed(NodeError("output_too_large", message), is_final=True)
    try:
        return None, object_store.put(str(workspace_id), data), None
    except (StructForgeError, OSError) as error:
        return None, None, Failed(NodeError("object_store_failed", f"The output could not be stored: {error}"))


class Settlement:
    """All that one claimed node run leads to, gathered until it is written: its own end, and what rode along."""

    def __init__(self, graph: Graph, *, key: str, path: str, token: UUID) -> None:
        self._graph = graph
        self._walk = Walk(graph)
        self._key, self._path, self._token = key, path, token
        self._rows: list[dict[str, Any]] = []
        self._variables: dict[str, Any] = {}
        self._failure: Mapping[str, Any] | None = None
        self._output: dict[str, Any] = {}
        self.is_fatal = False

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def variables(self) -> Mapping[str, Any]:
        """Execution variables that its nodes wrote."""
        return self._variables

    def settle(self, key: str, end: End, *, started: float, shown_input: bytes | None = None) -> tuple[str, ...]:
        """Add the end of a node run; returns the keys that start now.

        started   `time.monotonic()` when it began
        """
        node = self._graph.nodes[key]
        self._rows.append(_row(node, end, started=started, shown_input=shown_input))
        self._variables.update(end.variables)
        if end.is_fatal:
            self._failure = {**(end.error or {}), "node": key}
            self.is_fatal = True
            return ()
        if not end.status.is_settled:
            return ()
        if key == OUTPUT_KEY:
            self._output = {"output": _fragment(end.output), "output_ref": end.output_ref}
        follows = self._walk.settle(key, Settled(end.status, end.port))
        self._rows.extend(_row(self._graph.nodes[skipped], SKIPPED_END, started=started) for skipped in follows.skipped)
        return follows.ready

    def document(self, *, starting: Iterable[str]) -> dict[str, Any]:
        """The shape that `settle_v1` takes. `starting`: keys that start now and did not ride along."""
        now = time.monotonic()
        for row in self._rows:
            row["started_ms"] = (now - row.pop("started")) * 1000
            row["finished_ms"] = (now - row.pop("finished")) * 1000
        document = {
            "key": self._key,
            "path": self._path,
            "token": self._token,
            "rows": self._rows,
            "next": [_place(self._graph.nodes[key]) for key in starting],
            "gates": [
                {
                    **_place(node := self._graph.nodes[key]),
                    "settled": a.settled,
                    "live": a.live,
                    "expected": node.expected,
                    "needed": node.needed,
                }
                for key, a in self._walk.arrivals.items()
            ],
            "variables": self._variables or None,
            "failure": self._failure,
        }
        return document | self._output


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
