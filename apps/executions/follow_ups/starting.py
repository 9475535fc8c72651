"""Starting what is due of that which follows from the end of executions."""

from uuid import UUID

from django.db import transaction
from django.db.models import Exists, OuterRef, Q
from django.db.models.functions import Now

from apps.engine.definition import Event
from apps.engine.errors import ConflictError, StructForgeError
from apps.executions.actions import start_execution
from apps.executions.callbacks import pass_on_callback
from apps.executions.follow_ups.accounts import account_of
from apps.executions.follow_ups.compensation import start_compensation
from apps.executions.follow_ups.planning import plan_for_final_failure
from apps.executions.graphs import graphs
from apps.executions.models import ENDED_EXECUTION, Execution, FollowUp, FollowUpQuerySet
from apps.workflows.models import Workflow

Kind = FollowUp.Kind


class ErrorWorkflowGoneError(ConflictError):
    """The workspace has no such workflow (any more)."""

    code = "error_workflow_gone"


class NotUndoneError(ConflictError):
    """What the failed execution has done could not be undone, so it is not tried again."""

    code = "not_undone"


def due() -> FollowUpQuerySet:
    """What is to be started now. A retry waits until everything is undone."""
    undoing = FollowUp.objects.filter(origin=OuterRef("origin"), kind=Kind.COMPENSATION, error__isnull=True)
    is_undoing = Exists(undoing.exclude(execution__status__in=ENDED_EXECUTION))
    return FollowUp.objects.open().filter(due_at__lte=Now()).exclude(Q(kind=Kind.RETRY) & is_undoing)


@transaction.atomic
def start_follow_up(follow_up_id: UUID) -> tuple[Execution, list[Event]] | None:
    """Start one that is due; None when somebody else does.

    Where it cannot be started, its `error` says why. Returns the execution that it follows, and what is to be told of that now.
    """
    follow_up = FollowUp.objects.open().select_for_update(of=("self",), skip_locked=True).filter(pk=follow_up_id).first()
    if follow_up is None:
        return None
    events: list[Event] = []
    try:
        with transaction.atomic():
            follow_up.execution_id = _START[Kind(follow_up.kind)](follow_up)
    except StructForgeError as error:
        follow_up.error = {"code": error.code, "message": error.message, "details": error.details}
        if follow_up.kind == Kind.RETRY:
            events = plan_for_final_failure(follow_up.origin)
    follow_up.save(update_fields=["execution", "error"])
    return follow_up.origin, events


def _start_retry(follow_up: FollowUp) -> UUID:
    origin = follow_up.origin
    undoing = FollowUp.objects.filter(origin=origin, kind=Kind.COMPENSATION).select_related("execution").first()
    if undoing is not None and (undoing.execution is None or undoing.execution.status != "success"):
        raise NotUndoneError("Not everything that the execution has done could be undone, so it is not tried again.")
    started = start_execution(
        workflow=origin.workflow,
        version=origin.version,
        input=origin.input,
        started_by=origin.started_by,
        trigger=Kind.RETRY,
        business_key=origin.business_key,
        priority=origin.priority,
        depth=origin.depth,
    )
    pass_on_callback(origin=origin, retry_id=started.execution_id)
    return started.execution_id


def _start_error_workflow(follow_up: FollowUp) -> UUID:
    origin = follow_up.origin
    workflow_id = str(graphs.get(origin.version_id).settings.error_workflow)
    workflow = Workflow.objects.filter(pk=workflow_id, workspace_id=origin.workspace_id).first()
    if workflow is None:
        raise ErrorWorkflowGoneError(f"The workspace has no workflow {workflow_id}, which was to deal with the failure.")
    # Where a quota is used up, somebody has to hear of it: no quota refuses what deals with a failure. There is at most one for each
    # execution that was accepted, since no error workflow deals with the failure of another.
    return start_execution(workflow=workflow, input=account_of(origin), trigger=Kind.ERROR, is_owed=True, depth=origin.depth).execution_id


_START = {Kind.COMPENSATION: start_compensation, Kind.RETRY: _start_retry, Kind.ERROR: _start_error_workflow}
