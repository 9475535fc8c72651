"""Reads of executions, each for somebody: what `visible_to` hides does not exist. The live view's are in `queries_live`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import Case, CharField, F, Func, IntegerField, JSONField, OuterRef, Q, Subquery, Value, When
from django.db.models.functions import JSONObject

from apps.accounts.models import User
from apps.accounts.permissions import Permission
from apps.core import object_store
from apps.core.api.renderers import dumps
from apps.engine.errors import NotFoundError
from apps.executions.actions import ExecutionNotFoundError
from apps.executions.models import Execution, ExecutionEvent, ExecutionQuerySet, Hold, Iteration, NodeRun, NodeRunQuerySet
from apps.workflows.access import require

MAX_NODE_RUNS = 1000  # in one answer
MAX_EVENTS = 500
MAX_CHILDREN = 100
# Outputs over this size are not part of lists: a thousand of 64 KB each would be.
SHOWN_BYTES = 4096
_LISTED = ("id", "status", "priority", "trigger", "business_key", "error", "created_at", "started_at", "finished_at", "workflow_id")


class NodeRunNotFoundError(NotFoundError):
    code = "node_run_not_found"


class NoOutputError(NotFoundError):
    """There is no output (yet)."""

    code = "no_output"


@dataclass(frozen=True, slots=True)
class Filters:
    """What a list of executions is narrowed to; None narrows nothing.

    created_after, created_before   UTC-aware; the first included, the second not
    """

    workflow: UUID | None = None
    status: str | None = None
    trigger: str | None = None
    business_key: str | None = None
    parent: UUID | None = None
    created_after: Any = None
    created_before: Any = None
    rerun_of: UUID | None = None

    def as_query(self) -> Q:
        columns: Mapping[str, Any] = {
            "workflow_id": self.workflow,
            "status": self.status,
            "trigger": self.trigger,
            "business_key": self.business_key,
            "parent_node_run__execution_id": self.parent,
            "created_at__gte": self.created_after,
            "created_at__lt": self.created_before,
            "rerun_of_id": self.rerun_of,
        }
        return Q(**{name: value for name, value in columns.items() if value is not None})


class _StoredSize(Func):
    """Bytes that PostgreSQL keeps of a value; asking for it does not read the value."""

    function = "pg_column_size"
    output_field = IntegerField()


def list_executions(user: User, filters: Filters) -> ExecutionQuerySet:
    """Executions with `workflow_name` and `version_number`, without input and output."""
    found = Execution.objects.visible_to(user).filter(filters.as_query())
    return found.only(*_LISTED, "version_id").annotate(workflow_name=F("workflow__name"), version_number=F("version__number"))


def check_visible(user: User, execution_id: UUID) -> None:
    """Raise ExecutionNotFoundError unless it exists and `user` may see it."""
    if not Execution.objects.visible_to(user).filter(pk=execution_id).exists():
        raise _not_found(execution_id)


def get_progress(user: User, execution_id: UUID) -> tuple[int, str]:
    """Number of the newest event, and status. Raises ExecutionNotFoundError."""
    found = Execution.objects.visible_to(user).filter(pk=execution_id).values_list("event_seq", "status").first()
    if found is None:
        raise _not_found(execution_id)
    return found


def check_operable(user: User, execution_id: UUID) -> None:
    """Raise ExecutionNotFoundError unless `user` may see it, NotAllowedError unless they may steer it; what they started they may."""
    found = Execution.objects.visible_to(user).select_related("workflow").filter(pk=execution_id)
    execution = found.only("started_by_id", "workflow__name", "workflow__workspace_id", "workflow__folder_id").first()
    if execution is None:
        raise _not_found(execution_id)
    if execution.started_by_id != user.pk:
        require(user, execution.workflow, Permission.EXECUTION_OPERATE)


def get_execution(user: User, execution_id: UUID) -> Execution:
    """One execution with `workflow_name` and `version_number`. Raises ExecutionNotFoundError."""
    found = Execution.objects.visible_to(user).filter(pk=execution_id)
    names = {"workflow_name": F("workflow__name"), "version_number": F("version__number")}
    parent = {f"parent_{name}": F(f"parent_node_run__{name}") for name in ("execution_id", "key", "path")}
    execution = found.annotate(**names, **parent, callback_url=F("callback__url")).first()
    if execution is None:
        raise _not_found(execution_id)
    return execution


def get_rerunnable(user: User, execution_id: UUID) -> Execution:
    """One execution, with its workflow, to be run again. Raises ExecutionNotFoundError, NotAllowedError."""
    found = Execution.objects.visible_to(user).select_related("workflow").defer("output").filter(pk=execution_id).first()
    if found is None:
        raise _not_found(execution_id)
    require(user, found.workflow, Permission.WORKFLOW_RUN)
    return found


def get_result(execution_id: UUID) -> dict[str, Any]:
    """Status and result of an execution that the caller has just started."""
    return dict(Execution.objects.values("status", "output", "output_ref", "error", "finished_at").get(pk=execution_id))


def list_node_runs(user: User, execution_id: UUID, *, after: int = 0, limit: int = MAX_NODE_RUNS, **only: str) -> Sequence[NodeRun]:
    """Node runs in the order in which they became ready, from the one after id `after`.

    only   `key`, `path` or `status` that they have
    Each has `shown_output`, its output where that is small, and `output_bytes`, None without an output in the row.
    """
    found = _node_runs(user, execution_id).filter(id__gt=after, **only).annotate(output_bytes=_StoredSize("output"))
    small = Case(When(output_bytes__lte=SHOWN_BYTES, then=F("output")), default=None, output_field=JSONField())
    return found.defer("input", "output", "deferred").annotate(shown_output=small, hold=_hold()).order_by("id")[:limit]


def list_iterations(user: User, execution_id: UUID, *, after: int = 0, **only: str) -> Sequence[Iteration]:
    """Iterations of the loops of an execution in the order in which they began, from the one after id `after`, at most MAX_NODE_RUNS.

    only   `key` of the loop, its `loop_path`, or `status` that they have
    """
    found = Iteration.objects.visible_to(user).filter(execution_id=execution_id, id__gt=after, **only)
    return found.order_by("id")[:MAX_NODE_RUNS]


def list_children(user: User, execution_id: UUID) -> Sequence[Execution]:
    """What its node runs have started, oldest first, at most MAX_CHILDREN, each with `workflow_name` and `parent_node_run`."""
    found = Execution.objects.visible_to(user).filter(parent_node_run__execution_id=execution_id)
    found = found.annotate(workflow_name=F("workflow__name"))
    columns = ("id", "status", "workflow_id", "parent_node_run__key", "parent_node_run__path")
    return found.select_related("parent_node_run").only(*columns).order_by("id")[:MAX_CHILDREN]


def get_node_run(user: User, execution_id: UUID, key: str, path: str = "") -> NodeRun:
    """One node run with its input and output. Raises NodeRunNotFoundError."""
    node_run = _node_runs(user, execution_id).filter(key=key, path=path).annotate(hold=_hold()).first()
    if node_run is None:
        raise NodeRunNotFoundError(f"Execution {execution_id} has no run of node '{key}' (yet), or you may not see it.", key=key, path=path)
    return node_run


def node_run_output(node_run: NodeRun) -> bytes:
    """The output as JSON text, wherever it is kept. Raises NoOutputError."""
    return _output(node_run, f"Node '{node_run.key}'")


def execution_output(execution: Execution) -> bytes:
    """The output as JSON text, wherever it is kept. Raises NoOutputError."""
    return _output(execution, "The execution")


def list_events(user: User, execution_id: UUID, *, after: int = 0) -> Sequence[ExecutionEvent]:
    """The history from the event after number `after`, oldest first, at most MAX_EVENTS."""
    return ExecutionEvent.objects.visible_to(user).filter(execution_id=execution_id, sequence__gt=after).order_by("sequence")[:MAX_EVENTS]


def _node_runs(user: User, execution_id: UUID) -> NodeRunQuerySet:
    return NodeRun.objects.visible_to(user).filter(execution_id=execution_id)


def _hold() -> Case:
    """{"id", "scope", "reason", "by", "since", "until"} of the oldest hold that keeps a queued node run back; None where none does."""
    covering = Hold.objects.in_force().filter(
        Q(workspace__isnull=True) | Q(workspace=OuterRef("workspace")),
        Q(workflow__isnull=True) | Q(workflow=OuterRef("execution__workflow")),
        Q(node_key="") | Q(node_key=OuterRef("key")),
    )
    scope = Case(
        When(workspace__isnull=True, then=Value(Hold.Scope.INSTALLATION)),
        When(workflow__isnull=True, then=Value(Hold.Scope.WORKSPACE)),
        When(node_key="", then=Value(Hold.Scope.WORKFLOW)),
        default=Value(Hold.Scope.NODE),
        output_field=CharField(),
    )
    shown = JSONObject(id="id", scope=scope, reason="reason", by="created_by__username", since="created_at", until="until")
    found = Subquery(covering.order_by("created_at").values(json=shown)[:1])
    return Case(When(status="queued", then=found), default=None, output_field=JSONField())


def _output(row: NodeRun | Execution, what: str) -> bytes:
    if row.output_ref is not None:
        return object_store.get(row.output_ref)
    if row.output is None and row.status != "success":
        raise NoOutputError(f"{what} is {row.status} and has no output.", status=row.status)
    return dumps(row.output)


def _not_found(execution_id: UUID) -> ExecutionNotFoundError:
    return ExecutionNotFoundError(f"There is no execution {execution_id} that you may see.")
