"""What follows from an execution, and what it follows from, for those who may see it."""

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.db.models import Q

from apps.accounts.models import User
from apps.engine.errors import NotFoundError
from apps.engine.graph import Graph
from apps.engine.statuses import SETTLED_NODE_RUN
from apps.executions.graphs import graphs
from apps.executions.models import Execution, FollowUp, FollowUpQuerySet, NodeRun


class FollowUpNotFoundError(NotFoundError):
    code = "follow_up_not_found"


@dataclass(frozen=True, slots=True)
class Compensation:
    """How far an execution is undone.

    status    of the execution that undoes; "planned" before there is one, "refused" where it could not be started
    undone    keys of the nodes that are undone, in that order
    failed    keys of those that could not be undone
    open      keys of those whose turn is still to come; what was not undone when the undoing was cancelled stays here
    """

    status: str
    execution: UUID | None
    undone: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    open: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Relations:
    """What an execution has to do with others.

    follows      what made it: a retry, a compensation, an error workflow; None for any other
    follow_ups   what follows from it, by kind
    """

    follows: FollowUp | None
    follow_ups: list[FollowUp]
    compensation: Compensation | None


def relations_of(user: User, execution: Execution) -> Relations:
    """One query; another two where something was undone."""
    rows = list(_shown(user).filter(Q(origin=execution) | Q(execution=execution)).order_by("kind"))
    follow_ups = [row for row in rows if row.origin_id == execution.pk]
    follows = next((row for row in rows if row.execution_id == execution.pk), None)
    undoing = next((row for row in follow_ups if row.kind == FollowUp.Kind.COMPENSATION), None)
    compensation = None if undoing is None else _compensation(graphs.get(execution.version_id), undoing)
    return Relations(follows, follow_ups, compensation)


def get_follow_up(user: User, execution_id: UUID, kind: str) -> FollowUp:
    """Raises FollowUpNotFoundError."""
    found = _shown(user).filter(origin_id=execution_id, kind=kind).first()
    if found is None:
        raise FollowUpNotFoundError(f"No {kind} follows from execution {execution_id}.", kind=kind)
    return found


def status_of(follow_up: FollowUp) -> str:
    """Status of the execution that was started; `planned` before, `refused` where it was not started."""
    if follow_up.execution is not None:
        return follow_up.execution.status
    return "planned" if follow_up.error is None else "refused"


def _shown(user: User) -> FollowUpQuerySet:
    return (
        FollowUp.objects.visible_to(user)
        .select_related("execution", "origin")
        .only(
            "kind", "due_at", "attempt", "plan", "error", "origin_id", "execution_id", "execution__status", "origin__status", "created_at"
        )
    )


def _compensation(graph: Graph, follow_up: FollowUp) -> Compensation:
    undone_by: dict[str, str] = {undo: key for key, undo in graph.undo.items()}
    plan: list[str] = follow_up.plan or []
    statuses: dict[str, Any] = dict(
        NodeRun.objects.filter(execution_id=follow_up.execution_id, key__in=plan, path="").values_list("key", "status")
        if follow_up.execution_id
        else ()
    )
    done = {key: status for key, status in statuses.items() if status in SETTLED_NODE_RUN and status != "cancelled"}
    return Compensation(
        status_of(follow_up),
        follow_up.execution_id,
        undone=[undone_by[key] for key in plan if done.get(key) == "success"],
        failed=[undone_by[key] for key in plan if done.get(key, "success") != "success"],
        open=[undone_by[key] for key in plan if key not in done],
    )
