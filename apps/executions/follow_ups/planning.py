"""Once an execution has ended: what is to follow, and what there is to tell."""

import random
from datetime import timedelta
from typing import Any

from django.db.models.functions import Now

from apps.engine.definition import Event
from apps.engine.graph import Graph
from apps.engine.outcomes import Failed, NodeError
from apps.engine.retry import allows_retry, retry_delay_seconds
from apps.executions.follow_ups.compensation import undo_order
from apps.executions.graphs import COMPENSATION, graphs
from apps.executions.models import Execution, FollowUp

ERROR = "error"


def plan_follow_ups(execution: Execution) -> list[Event]:
    """Write down what follows from the end of this execution; returns what is to be told of it.

    Called once for each end, in the transaction in which the note of the end goes.
    """
    graph = graphs.get(execution.version_id)
    if execution.trigger == COMPENSATION:
        return [] if execution.status == "success" else ["compensation_failed"]
    if execution.status == "success":
        return ["success"]
    if order := undo_order(graph, execution):
        _plan(execution, FollowUp.Kind.COMPENSATION, plan=order)
    if execution.status == "cancelled":
        return ["cancelled"]
    return _after_failure(graph, execution)


def plan_for_final_failure(execution: Execution) -> list[Event]:
    """What follows from a failure that is not tried again. What an error workflow does is not dealt with by another one."""
    if graphs.get(execution.version_id).settings.error_workflow is not None and execution.trigger != ERROR:
        _plan(execution, FollowUp.Kind.ERROR)
    return ["failed"]


def attempt_of(execution: Execution) -> int:
    """Which execution it is in a chain of retries, from 1."""
    found = FollowUp.objects.filter(execution=execution, kind=FollowUp.Kind.RETRY).values_list("attempt", flat=True).first()
    return found or 1


def _after_failure(graph: Graph, execution: Execution) -> list[Event]:
    retry, attempt = graph.settings.retry, attempt_of(execution)
    if retry is None or not allows_retry(retry, _failed(execution.error or {}), attempt=attempt):
        return plan_for_final_failure(execution)
    delay = timedelta(seconds=retry_delay_seconds(retry, attempt=attempt, draw=random.random()))
    _plan(execution, FollowUp.Kind.RETRY, due_at=Now() + delay, attempt=attempt + 1)
    return ["retrying"]


def _failed(error: dict[str, Any]) -> Failed:
    return Failed(NodeError(str(error.get("code", "")), ""))


def _plan(execution: Execution, kind: FollowUp.Kind, *, due_at: Any = None, **values: Any) -> None:
    FollowUp.objects.create(workspace_id=execution.workspace_id, origin=execution, kind=kind, due_at=due_at or Now(), **values)
