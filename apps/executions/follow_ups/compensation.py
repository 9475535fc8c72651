"""Undoing what a failed or cancelled execution has done, by another execution that is linked to it."""

from uuid import UUID

import orjson
from django.db import connection, transaction

from apps.core import quotas
from apps.core.ids import uuid7
from apps.core.quotas import QuotaName
from apps.engine.graph import Graph
from apps.executions import handoff, protocol
from apps.executions.actions import keep_depth
from apps.executions.graphs import graphs
from apps.executions.models import Execution, FollowUp
from apps.executions.protocol import Ready

# The history tells in which order node runs settled; their times do not, since one of a stretch may be written after the next.
_SETTLED = """
select changed->>'key' from execution_event e, jsonb_array_elements(e.changes) with ordinality as c(changed, place)
 where e.execution_id = %s and changed->>'status' = 'success' and changed->>'path' = '' and changed->>'key' = any (%s)
 order by e.sequence desc, place desc
"""


def undo_order(graph: Graph, execution: Execution) -> list[str]:
    """Keys of the undo nodes of what has succeeded, the last to settle first. A disabled node has done nothing."""
    keys = [key for key in graph.undo if not graph.nodes[key].is_disabled]
    if not keys:
        return []
    with connection.cursor() as cursor:
        cursor.execute(_SETTLED, [execution.pk, keys])
        return [graph.undo[key] for (key,) in cursor.fetchall()]


def start_compensation(follow_up: FollowUp) -> UUID:
    """Start the execution that undoes, in the caller's transaction; workers hear of it after the commit.

    It counts for quotas, and none refuses it: what was begun has to be undone.
    """
    origin, order = follow_up.origin, list(follow_up.plan or ())
    graph = graphs.get(origin.version_id)
    first = graph.nodes[order[0]]
    entry = {"key": first.key, "queue": first.traits.queue, "lost": first.traits.on_worker_lost}
    reads = sorted({key for undo in order for key in graph.nodes[undo].reads})
    execution_id = uuid7()
    with connection.cursor() as cursor:
        cursor.execute(
            "select compensate_v1(%s, %s, %s::jsonb, %s, %s::interval)",
            [origin.pk, execution_id, orjson.dumps(entry).decode(), reads, f"{protocol.DUE_SECONDS} s"],
        )
        (priority,) = cursor.fetchone()
        keep_depth(cursor, origin.depth, [execution_id])
    quotas.count_owed(QuotaName.EXECUTIONS_PER_DAY, workspace_id=origin.workspace_id, user_id=origin.started_by_id)
    ready = Ready(execution_id, origin.version_id, first.key, "", first.traits.queue, priority)
    transaction.on_commit(lambda: handoff.send([ready]), robust=True)
    return execution_id
