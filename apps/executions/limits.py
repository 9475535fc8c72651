"""Limits on executions at a time, beside those of the workflows: of a workspace, of the people in it, of the installation."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Count, Q, QuerySet

from apps.accounts.models import Membership, User, Workspace
from apps.core.audit import Verb, record
from apps.engine.errors import ForbiddenError, InvalidError
from apps.executions import admission
from apps.executions.models import HOLDING, Execution, ExecutionLimit

Kind = ExecutionLimit.Kind


class NotAnOperatorError(ForbiddenError):
    """Limits of the installation are for its operators."""

    code = "not_allowed"


class UnknownPersonError(InvalidError):
    """Somebody is named who is no member of the workspace; details: {"pointer": str}."""

    code = "unknown_person"


@dataclass(frozen=True, slots=True)
class PersonLimit:
    """How many executions one member of a workspace may have at a time there."""

    user: UUID
    max_running: int


@dataclass(frozen=True, slots=True)
class Use:
    """used: executions that hold a slot (running, paused or being cancelled); waiting: those in line, for whatever limit."""

    used: int = 0
    waiting: int = 0


def find_limit(kind: Kind, workspace: Workspace | None = None) -> ExecutionLimit:
    """The limit as it is; one that allows everything where none is set."""
    return ExecutionLimit.objects.filter(kind=kind, workspace=workspace, user=None).first() or ExecutionLimit(
        kind=kind, workspace=workspace
    )


def limits_of_people(workspace: Workspace) -> Sequence[ExecutionLimit]:
    """Those set for somebody by name."""
    rows = ExecutionLimit.objects.filter(kind=Kind.USER, workspace=workspace, user__isnull=False)
    return list(rows.select_related("user").order_by("user__username"))


def use_of(workspace: Workspace | None = None) -> Use:
    """So far, in a workspace or in the whole installation."""
    return _use(Execution.objects.filter(**_in(workspace)).aggregate(**_COUNTS))


def use_by_person(workspace: Workspace) -> Mapping[UUID | None, Use]:
    """{user id: use} of those who have executions that run or wait there."""
    rows = Execution.objects.filter(workspace=workspace, status__in=[*HOLDING, "pending"]).values("started_by").annotate(**_COUNTS)
    return {row["started_by"]: _use(row) for row in rows}


def set_workspace_limits(
    *,
    workspace: Workspace,
    max_running: int | None = None,
    max_seconds: float | None = None,
    each_person: int | None = None,
    people: Sequence[PersonLimit] = (),
    set_by: User | None = None,
) -> None:
    """Let these limits hold from now on, in place of all that held before; None: no limit. What runs goes on, even where it is more.

    each_person   how many each may have for whom `people` says nothing
    Raises UnknownPersonError.
    """
    _check_members(workspace, people)
    wanted = [ExecutionLimit(kind=Kind.WORKSPACE, workspace=workspace, max_running=max_running, max_seconds=max_seconds)]
    wanted.append(ExecutionLimit(kind=Kind.USER, workspace=workspace, max_running=each_person))
    wanted += [ExecutionLimit(kind=Kind.USER, workspace=workspace, user_id=one.user, max_running=one.max_running) for one in people]
    _replace(ExecutionLimit.objects.filter(workspace=workspace), wanted, set_by, workspace)


def set_installation_limits(*, max_running: int | None, max_seconds: float | None, set_by: User) -> None:
    """As `set_workspace_limits`, for all workspaces together. Raises NotAnOperatorError."""
    check_operator(set_by)
    wanted = ExecutionLimit(kind=Kind.INSTALLATION, max_running=max_running, max_seconds=max_seconds)
    _replace(ExecutionLimit.objects.filter(kind=Kind.INSTALLATION), [wanted], set_by)


def forget_person(workspace_id: UUID, user_id: UUID) -> None:
    """Drop the limit of somebody who leaves the workspace."""
    ExecutionLimit.objects.filter(workspace_id=workspace_id, user_id=user_id).delete()


def check_operator(user: User) -> None:
    """Raise NotAnOperatorError unless `user` operates the installation."""
    if not user.access.is_operator:
        raise NotAnOperatorError("The limits of the installation are for its operators.")


def _replace(
    present: QuerySet[ExecutionLimit], wanted: Sequence[ExecutionLimit], set_by: User | None, workspace: Workspace | None = None
) -> None:
    for row in wanted:
        row.set_by = set_by
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("select pg_advisory_xact_lock(hashtext('structforge.limits'))")  # of two who set them, the later counts
        before = _shown(list(present))
        present.delete()
        kept = [row for row in wanted if row.max_running is not None or row.max_seconds is not None]
        ExecutionLimit.objects.bulk_create(kept)
        of: Any = {"object_type": "workspace" if workspace else "installation", "object_id": workspace.pk if workspace else ""}
        record(Verb.LIMITS_SET, before=before, after=_shown(kept), workspace_id=workspace.pk if workspace else None, **of)
        # Where one was raised or dropped, somebody may begin.
        transaction.on_commit(admission.admit, robust=True)


def _shown(limits: Sequence[ExecutionLimit]) -> dict[str, Any]:
    """As the audit log has them: {"workspace": {…}, "user": {…} of everybody, "user <id>": {…}}."""
    return {
        f"{each.kind} {each.user_id}" if each.user_id else str(each.kind): {
            "max_running": each.max_running,
            "max_seconds": each.max_seconds,
        }
        for each in limits
    }


def _check_members(workspace: Workspace, people: Sequence[PersonLimit]) -> None:
    members = set(Membership.objects.filter(workspace=workspace, user__in=[one.user for one in people]).values_list("user", flat=True))
    for index, one in enumerate(people):
        if one.user not in members:
            message = f"Expected a member of the workspace, found {one.user}."
            raise UnknownPersonError(message, pointer=f"/people/{index}/user")
        members.remove(one.user)


_COUNTS = {"used": Count("pk", filter=Q(status__in=HOLDING)), "waiting": Count("pk", filter=Q(status="pending"))}


def _in(workspace: Workspace | None) -> dict[str, Any]:
    return {"status__in": [*HOLDING, "pending"], **({} if workspace is None else {"workspace": workspace})}


def _use(row: Mapping[str, Any]) -> Use:
    return Use(used=row["used"], waiting=row["waiting"])
