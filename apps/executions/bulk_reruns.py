"""Running many executions again: rows say what is to be done, and the sweepers do it a few at a time."""

import logging
from typing import Any
from uuid import UUID

from django.db import close_old_connections, transaction
from django.db.models import Count, Q
from django.db.models.functions import Now

from apps.accounts.models import User, Workspace
from apps.accounts.permissions import Permission
from apps.accounts.queries import require_in
from apps.core.audit import Verb, record
from apps.core.depth import check_depth
from apps.engine.errors import ConflictError, InvalidError, NotFoundError, StructForgeError
from apps.engine.rerun_places import Place
from apps.executions.connection import fetch
from apps.executions.models import ENDED_EXECUTION, BulkRerun, BulkRerunItem, BulkRerunQuerySet, ExecutionQuerySet
from apps.executions.rerunning import Rerun, rerun_execution

log = logging.getLogger(__name__)

MAX_ITEMS = 10_000
MAX_STEPS = 20  # bulk re-runs that one sweep looks at
PATIENCE = "60 s"  # for a sweeper that was handed items and has not started them
_NODE = "node:"


class NothingMatchesError(InvalidError):
    code = "nothing_matches"


class TooManyExecutionsError(InvalidError):
    code = "too_many_executions"


class BulkRerunNotFoundError(NotFoundError):
    code = "bulk_rerun_not_found"


class BulkRerunOverError(ConflictError):
    """It has ended; details: {"status": str}."""

    code = "bulk_rerun_over"


def create_bulk_rerun(
    *,
    user: User,
    workspace: Workspace,
    executions: ExecutionQuerySet,
    origin: str | Place,
    version: str = "same",
    rate_per_minute: int = 60,
    canary: int = 1,
    max_failures: int = 0,
    depth: int = 0,
) -> BulkRerun:
    """Have the ended ones of these executions run again, the oldest first.

    depth   executions that led to this request
    Raises NothingMatchesError, TooManyExecutionsError, NotAllowedInWorkspaceError, TooDeepError.
    """
    check_depth(depth)
    require_in(user, workspace, Permission.WORKFLOW_RUN)
    found = executions.visible_to(user).filter(workspace=workspace, status__in=ENDED_EXECUTION)
    ids = list(found.order_by("created_at", "id").values_list("pk", flat=True)[: MAX_ITEMS + 1])
    if not ids:
        raise NothingMatchesError(f"No ended execution in workspace '{workspace.name}' fits the filters.")
    if len(ids) > MAX_ITEMS:
        raise TooManyExecutionsError(f"More than {MAX_ITEMS} executions fit the filters; narrow them.", max=MAX_ITEMS)
    with transaction.atomic():
        bulk = BulkRerun.objects.create(
            workspace=workspace,
            created_by=user,
            origin=f"{_NODE}{origin.key}" if isinstance(origin, Place) else origin,
            version=version,
            rate_per_minute=rate_per_minute,
            canary=canary,
            max_failures=max_failures,
            total=len(ids),
            depth=depth,
        )
        BulkRerunItem.objects.bulk_create([BulkRerunItem(bulk=bulk, execution_id=each) for each in ids], batch_size=1000)
        record(Verb.BULK_RERUN_STARTED, bulk, after={"from": bulk.origin, "version": version, "total": len(ids)})
    return get_bulk_rerun(user, bulk.pk)


def cancel_bulk_rerun(*, user: User, bulk_id: UUID) -> BulkRerun:
    """Let nothing more of it begin; what runs goes on. Raises BulkRerunNotFoundError, NotAllowedInWorkspaceError, BulkRerunOverError."""
    bulk = get_bulk_rerun(user, bulk_id)
    require_in(user, bulk.workspace, Permission.WORKFLOW_RUN)
    stopped = BulkRerun.objects.filter(pk=bulk_id, status=BulkRerun.Status.RUNNING)
    with transaction.atomic():
        if not stopped.update(status=BulkRerun.Status.CANCELLED, finished_at=Now(), updated_at=Now()):
            bulk.refresh_from_db(fields=["status"])
            raise BulkRerunOverError(f"The bulk re-run is {bulk.status}; only one that runs can be cancelled.", status=bulk.status)
        record(Verb.BULK_RERUN_CANCELLED, bulk)
    return get_bulk_rerun(user, bulk_id)


def list_bulk_reruns(user: User) -> BulkRerunQuerySet:
    """Bulk re-runs with the number of their executions by status: `waiting`, `running`, `success`, `failed`."""
    kinds = BulkRerunItem.Status
    return (
        BulkRerun.objects.visible_to(user)
        .select_related("workspace")
        .annotate(
            waiting=Count("items", filter=Q(items__status=kinds.WAITING)),
            running=Count("items", filter=Q(items__status__in=[kinds.STARTING, kinds.RUNNING])),
            success=Count("items", filter=Q(items__status=kinds.SUCCESS)),
            failed=Count("items", filter=Q(items__status__in=[kinds.FAILED, kinds.REFUSED])),
        )
    )


def get_bulk_rerun(user: User, bulk_id: UUID) -> BulkRerun:
    """One, as `list_bulk_reruns` has it. Raises BulkRerunNotFoundError."""
    found = list_bulk_reruns(user).filter(pk=bulk_id).first()
    if found is None:
        raise BulkRerunNotFoundError(f"There is no bulk re-run {bulk_id} that you may see.")
    return found


def advance_bulk_reruns() -> int:
    """What a sweeper does: note what has ended, and start what may begin now. Returns how many were started or refused."""
    rows = fetch("select * from bulk_rerun_step_v1(%(limit)s, %(patience)s::interval)", {"limit": MAX_STEPS, "patience": PATIENCE})
    if rows:
        close_old_connections()  # a sweeper has no request or task that would
    shown = BulkRerunItem.objects.select_related("bulk__created_by", "execution__workflow")
    for item_id in sorted(row["item_id"] for row in rows):
        _start(shown.get(pk=item_id))
    return len(rows)


def _start(item: BulkRerunItem) -> None:
    bulk = item.bulk
    if bulk.created_by is None or not bulk.created_by.access.allows(bulk.workspace_id, Permission.WORKFLOW_RUN):
        BulkRerun.objects.filter(pk=bulk.pk, status=BulkRerun.Status.RUNNING).update(
            status=BulkRerun.Status.STOPPED, reason="not_allowed", finished_at=Now(), updated_at=Now()
        )
        return
    changes: dict[str, Any]
    try:
        made = rerun_execution(
            execution=item.execution,
            asked=Rerun(origin=_origin(bulk.origin), version=bulk.version),  # type: ignore[arg-type]  # one of the three words
            started_by=bulk.created_by,
            idempotency_key=f"bulk-rerun:{bulk.pk}:{item.execution_id}",
            priority="normal",
            depth=bulk.depth,
        )
        changes = {"status": BulkRerunItem.Status.RUNNING, "rerun_id": made.execution_id}
    except StructForgeError as error:
        log.info("Execution %s of bulk re-run %s was refused: %s", item.execution_id, bulk.pk, error.message)
        refusal = {"code": error.code, "message": error.message}
        changes = {"status": BulkRerunItem.Status.REFUSED, "error": refusal}
    BulkRerunItem.objects.filter(pk=item.pk, status=BulkRerunItem.Status.STARTING).update(**changes)


def _origin(text: str) -> Any:
    return Place(text.removeprefix(_NODE)) if text.startswith(_NODE) else text
