"""How the model's node runs end, and what its loops do with a claim."""

import time
from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

from apps.engine.graph import Graph
from apps.engine.outcomes import NodeError
from apps.engine.statuses import NodeRunStatus
from apps.executions.protocol import ClaimedRun
from apps.executions.settlement import End, Settlement
from tests.engine.simulation import PORTS

ERROR = NodeError("test", "It failed.").as_json()
SUCCESSES = [End(NodeRunStatus.SUCCESS, port, output=b"1") for port in PORTS]
OTHER_ENDS = [
    End(NodeRunStatus.FAILED, "error", output=b"{}", error=ERROR),
    End(NodeRunStatus.FAILED, error=ERROR, is_fatal=True),
    End(NodeRunStatus.RETRYING, error=ERROR, delay_seconds=0.0),
    End(NodeRunStatus.WAITING, delay_seconds=0.0),
    End(NodeRunStatus.WAITING, waits_for="go"),
    End(NodeRunStatus.WAITING, waits_for="event:go:"),
    End(NodeRunStatus.WAITING, waits_for="webhook"),
]
# Most nodes succeed, else few executions would live long enough for anything to go wrong.
ends = st.sampled_from([*SUCCESSES * 4, *OTHER_ENDS])
iteration_ends = st.sampled_from([*SUCCESSES * 6, *OTHER_ENDS])

Draw = Callable[[st.SearchStrategy[Any]], Any]


def loop_end(graph: Graph, settlement: Settlement, run: ClaimedRun, draw: Draw) -> End:
    """What the run of a loop ends with: it begins, goes on, or has ended. Iterations of pure nodes may ride along.

    draw   gives an example, or None for the simplest
    """
    state, loop = run.loop, graph.loops[run.key]
    if state is not None and state.failure is not None:
        return End(NodeRunStatus.FAILED, "error", error=ERROR)
    if state is not None and not state.running and not state.pending and state.next_index >= state.total:
        return End(NodeRunStatus.SUCCESS, "out", output=b"[]")
    total = state.total if state is not None else _or(draw(st.integers(0, 4)), 2)
    parallel = state.parallel if state is not None else _or(draw(st.integers(1, 3)), 1)
    collects = state.collects if state is not None else bool(draw(st.booleans()))
    document: dict[str, Any] = {"total": total}
    if state is None:
        entries = [{"key": key, "queue": "default", "lost": graph.nodes[key].traits.on_worker_lost} for key in loop.entries]
        document |= {"parallel": parallel, "collects": collects, "asks": False, "entries": entries, "body": loop.body}
        document |= {"inside": loop.inside, "items": list(range(total)), "timeout_seconds": None}
    settlement.go_on_with_loop(document)
    index, running = (0, 0) if state is None else (state.next_index, state.running)
    while loop.is_pure and index < total and running < parallel and draw(st.booleans()):
        status, error = _ride(graph, settlement, run, index, draw)
        index, running = index + 1, running + (status == "running")
        if error is not None and not collects:
            document["failure"] = error
            settlement.stop_loop(run.key, run.path)
            break
    if index < total and running < parallel and "failure" not in document and draw(st.booleans()):
        return End(NodeRunStatus.QUEUED)
    return End(NodeRunStatus.WAITING, waits_for="$loop")


def _or(value: Any, simplest: int) -> int:
    return simplest if value is None else int(value)


def _ride(graph: Graph, settlement: Settlement, run: ClaimedRun, index: int, draw: Draw) -> tuple[str, Any]:
    """Perform an iteration, and leave some of it to others; its status, and its failure."""
    path = f"{run.path}.{index}" if run.path else str(index)
    settlement.begin_iteration(path, index)
    starting = list(graph.loops[run.key].entries)
    while starting and settlement.iteration_status(path) == "running":
        key = starting.pop(0)
        if draw(st.booleans()):
            starting += settlement.settle(key, draw(iteration_ends), started=time.monotonic(), path=path)
        else:
            settlement.leave(key, path)
    status = settlement.iteration_status(path)
    if status != "failed":
        return status, None
    settlement.stop_iteration(run.key, path)
    return status, {"path": path, "error": ERROR}
