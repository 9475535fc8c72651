"""Holding and releasing: what is held is accepted, queued and kept; nothing of it begins."""

from datetime import datetime
from uuid import UUID

from django.db import connection, transaction
from django.utils import timezone

from apps.accounts.models import User, Workspace
from apps.accounts.permissions import Permission
from apps.accounts.queries import get_workspace
from apps.core.audit import Verb, record
from apps.engine.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError
from apps.executions import handoff, protocol
from apps.executions.connection import fetch, fetch_repeating
from apps.executions.models import Hold
from apps.executions.models_waiting import HoldQuerySet
from apps.executions.protocol import ready_of
from apps.workflows.access import require
from apps.workflows.models import Workflow, WorkflowVersion
from apps.workflows.queries import get_workflow

BATCH = 500
LOOKS = 5000


class HoldNotFoundError(NotFoundError):
    code = "hold_not_found"


class AlreadyReleasedError(ConflictError):
    code = "already_released"


class InvalidHoldError(InvalidError):
    """The hold covers nothing; details: {"pointer": str}."""

    code = "invalid_hold"


class NotAnOperatorError(ForbiddenError):
    code = "not_allowed"


def hold(
    *, workspace: Workspace | None, workflow: Workflow | None = None, node_key: str = "", reason: str, until: datetime | None, held_by: User
) -> Hold:
    """Let nothing begin of a node, a workflow, a workspace or, without any of them, the installation. What runs finishes.

    Raises InvalidHoldError for a node that no version of the workflow has, and for an end in the past.
    """
    if until is not None and until <= timezone.now():
        raise InvalidHoldError(f"Expected an end in the future, found {until.isoformat()}.", pointer="/until")
    if workflow is not None and node_key and not _has_node(workflow, node_key):
        raise InvalidHoldError(f"No version of workflow '{workflow.name}' has a node '{node_key}'.", pointer="/node")
    with transaction.atomic():
        made = Hold.objects.create(
            workspace=workspace if workflow is None else workflow.workspace,
            workflow=workflow,
            node_key=node_key,
            reason=reason,
            until=until,
            created_by=held_by,
        )
        record(Verb.HOLD_SET, made, after={"scope": made.scope, "reason": reason, "until": until})
    made.refresh_from_db(fields=["created_at"])
    return made


def release(*, hold: Hold, released_by: User | None) -> int:
    """End a hold, and send what it kept back; returns how many node runs that were. Raises AlreadyReleasedError."""
    fetch_repeating("select put_held_aside_v1(%(looks)s)", {"looks": LOOKS})
    statement = "select release_hold_v1(%s, %s)"
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement, [hold.pk, released_by.pk if released_by else None])
        if cursor.fetchone() != (True,):
            raise AlreadyReleasedError("This hold was released before.")
        record(Verb.HOLD_RELEASED, hold, before={"scope": hold.scope, "reason": hold.reason})
    return _send_released()


def sweep_holds() -> int:
    """What has to be done about holds every second; returns how many node runs were put aside or sent."""
    todo = fetch("select * from holds_to_sweep_v1()", {})[0]
    moved = 0
    for hold_id in todo["over"]:
        fetch("select release_hold_v1(%(hold)s, null)", {"hold": hold_id})
    if todo["is_holding"]:
        moved += fetch("select put_held_aside_v1(%(looks)s) as moved", {"looks": LOOKS})[0]["moved"]
    if todo["is_sending"] or todo["over"]:
        moved += _send_released()
    return moved


def list_holds(user: User) -> HoldQuerySet:
    return Hold.objects.visible_to(user).select_related("created_by", "released_by", "workflow")


def get_hold(user: User, hold_id: UUID) -> Hold:
    """One hold that `user` may see. Raises HoldNotFoundError."""
    found = list_holds(user).filter(pk=hold_id).first()
    if found is None:
        raise HoldNotFoundError(f"There is no hold {hold_id} that you may see.")
    return found


def check_may_release(user: User, hold: Hold) -> None:
    """Raise unless `user` might have made this hold, too: NotAllowedError, NotAllowedInWorkspaceError, NotAnOperatorError."""
    if hold.workflow is not None:
        require(user, hold.workflow, Permission.WORKFLOW_EDIT)
    elif hold.workspace_id is not None:
        get_workspace(user, hold.workspace_id, Permission.WORKSPACE_MANAGE)
    else:
        check_operator(user)


def get_target(user: User, *, workflow_id: UUID | None, workspace_id: UUID | None) -> tuple[Workspace | None, Workflow | None]:
    """What `user` may hold: a workflow that they may edit, a workspace that they manage, and without either the installation."""
    if workflow_id is not None:
        return None, get_workflow(user, workflow_id, Permission.WORKFLOW_EDIT)
    if workspace_id is not None:
        return get_workspace(user, workspace_id, Permission.WORKSPACE_MANAGE), None
    check_operator(user)
    return None, None


def check_operator(user: User) -> None:
    if not user.access.is_operator:
        raise NotAnOperatorError("Only operators of the installation may hold and release all of it.")


def _send_released() -> int:
    sent = 0
    while rows := fetch(
        "select * from send_released_v1(%(limit)s, %(due)s::interval)", {"limit": BATCH, "due": f"{protocol.DUE_SECONDS} s"}
    ):
        handoff.send(ready_of(row) for row in rows)
        sent += len(rows)
    return sent


def _has_node(workflow: Workflow, node_key: str) -> bool:
    return WorkflowVersion.objects.filter(workflow=workflow, nodes__key=node_key).exists()
