"""Whom executions, and what belongs to them, are shown to; choices of their statuses."""

from django.db.models import Q

from apps.accounts.models import User
from apps.accounts.permissions import Permission
from apps.engine.statuses import ExecutionStatus, NodeRunStatus
from apps.workflows.shares import shared_with


def choices_of(statuses: type[ExecutionStatus] | type[NodeRunStatus]) -> list[tuple[str, str]]:
    return [(status.value, status.value) for status in statuses]


def readable(user: User, *, execution: str = "") -> Q:
    """What `user` may see: the executions of their workspaces, of workflows shared for viewing, and their own of those shared for running.

    execution   lookup of the execution, with its `__`, from the table that is asked
    """
    mine = Q(workspace_id__in=user.access.workspaces_with(Permission.EXECUTION_VIEW))
    shared = shared_with(user)
    if not shared:
        return mine
    workflow, folder = f"{execution}workflow_id", f"{execution}workflow__folder_id"
    of_viewed = shared.where(workflow=workflow, folder=folder, permission=Permission.EXECUTION_VIEW)
    own_of_run = shared.where(workflow=workflow, folder=folder) & Q(**{f"{execution}started_by": user})
    return mine | of_viewed | own_of_run
