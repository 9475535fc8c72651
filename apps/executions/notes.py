"""What people should know of a queued node run beside its status: nobody may be there to run it."""

from collections.abc import Sequence
from uuid import UUID

from django.db import connection

from apps.executions.handoff import queue_name
from apps.executions.models import NodeRun

_SERVED = "select e.priority, served_queues_v1() from execution e where e.id = %s and e.status = 'running'"


def with_notes(execution_id: UUID, node_runs: Sequence[NodeRun]) -> None:
    """Set `note` of each node run of one execution: `no worker serves queue gpu`, or None.

    One query, and none where nothing is queued.
    """
    queued = {run.pk for run in node_runs if run.status == "queued"}
    priority, served = _served(execution_id) if queued else (None, [])
    for run in node_runs:
        is_unserved = run.pk in queued and priority is not None and queue_name(run.queue, priority) not in served
        run.note = f"no worker serves queue {run.queue}" if is_unserved else None  # type: ignore[attr-defined]  # for those who show it


def _served(execution_id: UUID) -> tuple[str | None, Sequence[str]]:
    with connection.cursor() as cursor:
        cursor.execute(_SERVED, [execution_id])
        row = cursor.fetchone()
    return (row[0], row[1]) if row else (None, [])
