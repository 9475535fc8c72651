"""Settling of a claim that nobody performs: one that a person or a sweeper holds."""

import time
from uuid import UUID

from apps.core.errors import UnavailableError
from apps.engine.graph import Graph
from apps.engine.outcomes import Failed, Succeeded
from apps.executions import handoff, protocol
from apps.executions.announcements import announce_change
from apps.executions.connection import fetch_repeating
from apps.executions.graphs import graph_of
from apps.executions.settlement import Settlement, end_of


class OutputNotKeptError(UnavailableError):
    """The output that somebody gave could not be stored."""

    code = "output_not_kept"


def settle_held(
    *, execution_id: UUID, workspace_id: UUID, version_id: UUID, key: str, path: str, token: UUID, outcome: Succeeded | Failed
) -> bool:
    """Record `outcome` for a claim held under `token`, and send what follows; False when the claim is lost.

    Raises OutputNotKeptError before anything is recorded; the claim lapses then.
    """
    graph = _graph(execution_id, version_id)
    settlement = Settlement(graph, key=key, path=path, token=token)
    end = end_of(graph.nodes[key], outcome, workspace_id=workspace_id, attempt=1)
    if isinstance(outcome, Succeeded) and end.error is not None:
        message = f"{end.error['message']} Nothing is decided; try again in half a minute."
        raise OutputNotKeptError(message, retry_after_seconds=30)  # its claim is held until then
    starting = settlement.settle(key, end, started=time.monotonic())
    result = protocol.settle(execution_id=execution_id, settlements=[settlement.document(starting=starting)])
    if not result["applied"][0]:
        return False
    handoff.send(protocol.ready_in(result, execution_id=execution_id, version_id=version_id))
    announce_change(execution_id, result)
    return True


def _graph(execution_id: UUID, version_id: UUID) -> Graph:
    [row] = fetch_repeating("select trigger from execution where id = %(execution)s", {"execution": execution_id})
    return graph_of(execution_id, version_id, row["trigger"])
