"""Reads of process definitions and instances, each for somebody."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import F, Max

from apps.accounts.models import User
from apps.accounts.permissions import Permission
from apps.dialects.models import OfWorkflowQuerySet, ProcessDefinition
from apps.dialects.processes.describing import describe
from apps.dialects.saving import NumberNotFoundError
from apps.executions.actions import ExecutionNotFoundError
from apps.executions.models import Execution, ExecutionQuerySet, NodeRun
from apps.executions.queries import list_node_runs
from apps.workflows.access import require

ACTIVE, SUSPENDED = "active", "suspended"
UNSETTLED = frozenset(("pending", "queued", "running", "waiting", "retrying", "uncertain"))
_HELPER = "__"
_HEAVY = ("workflow__published_version__definition", "workflow__published_version__start")


@dataclass(frozen=True, slots=True)
class StepRun:
    """One node run as part of a step.

    step   id of the step of the form
    part   what of the step it is, such as `join`; empty: the step itself
    """

    step: str
    part: str
    run: NodeRun


def list_definitions(
    user: User, *, status: str | None = None, name: str | None = None, workspace: UUID | None = None
) -> OfWorkflowQuerySet:
    """Process definitions with their workflow and `latest_number`."""
    found = ProcessDefinition.objects.visible_to(user).select_related("workflow__published_version", "version").defer(*_HEAVY)
    found = found.defer("version__definition", "version__start").annotate(latest_number=Max("workflow__versions__number"))
    if status is not None:
        found = found.filter(workflow__published_version__isnull=status == SUSPENDED)
    if name is not None:
        found = found.filter(workflow__name=name)
    return found if workspace is None else found.filter(workflow__workspace_id=workspace)


def get_definition(user: User, number: int, permission: Permission | None = None) -> ProcessDefinition:
    """Raises NumberNotFoundError, and NotAllowedError where it may be seen only."""
    found: ProcessDefinition | None = list_definitions(user).filter(pk=number).first()
    if found is None:
        raise NumberNotFoundError(f"There is no process definition {number} that you may see.")
    if permission is not None:
        require(user, found.workflow, permission)
    return found


def form_of(definition: ProcessDefinition) -> tuple[Mapping[str, Any], bool]:
    """The form of the newest version, and whether it was saved as a form: what was saved otherwise is put into the words of one."""
    newest = definition.workflow.versions.latest("number")
    if newest.pk == definition.version_id:
        return definition.form, True
    return describe(newest.definition), False


def list_instances(
    user: User, *, process_definition_id: int | None = None, business_key: str | None = None, status: str | None = None
) -> ExecutionQuerySet:
    """Executions of workflows that have a process definition, with its number."""
    found = Execution.objects.visible_to(user).filter(workflow__processdefinition__isnull=False)
    named = {"workflow__processdefinition": process_definition_id, "business_key": business_key, "status": status}
    found = found.filter(**{column: value for column, value in named.items() if value is not None})
    return _with_names(found).defer("input", "variables", "output", "breakpoints")


def get_instance(user: User, instance_id: UUID) -> Execution:
    """Raises ExecutionNotFoundError."""
    found = Execution.objects.visible_to(user).filter(workflow__processdefinition__isnull=False)
    instance = _with_names(found).filter(pk=instance_id).first()
    if instance is None:
        raise ExecutionNotFoundError(f"There is no process instance {instance_id} that you may see.")
    return instance


def list_step_runs(user: User, instance_id: UUID) -> Sequence[StepRun]:
    """What has become of the steps of an instance, in the order in which they became ready, at most a thousand."""
    runs = list_node_runs(user, instance_id)
    return [StepRun(*_parts(run.key), run) for run in runs if not run.key.startswith("$")]


def _parts(key: str) -> tuple[str, str]:
    step, _, part = key.partition(_HELPER)
    return (step, part) if step else (key, "")


def _with_names(found: ExecutionQuerySet) -> ExecutionQuerySet:
    names = {"process_definition_id": F("workflow__processdefinition__id"), "definition_name": F("workflow__name")}
    return found.annotate(
        **names, version_label=F("version__label"), version_number=F("version__number"), starter=F("started_by__username")
    )
