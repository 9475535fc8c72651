"""Reads of steps, templates and their executions, each for somebody."""

from collections.abc import Sequence
from uuid import UUID

from django.db.models import F, Prefetch

from apps.accounts.models import User
from apps.accounts.permissions import Permission
from apps.dialects.models import OfWorkflowQuerySet, OfWorkspaceQuerySet, Step, StepTemplate, TemplateStep
from apps.dialects.saving import NumberNotFoundError
from apps.executions.actions import ExecutionNotFoundError
from apps.executions.models import Execution, ExecutionQuerySet, NodeRun
from apps.executions.queries import list_node_runs
from apps.workflows.access import NotAllowedError, require

_HEAVY = ("workflow__published_version__definition", "workflow__published_version__start", "version__definition", "version__start")


def list_steps(
    user: User, *, workspace: UUID | None = None, executor_type: str | None = None, name: str | None = None
) -> OfWorkspaceQuerySet:
    named = {"workspace_id": workspace, "executor_type": executor_type, "name": name}
    return Step.objects.visible_to(user).filter(**{column: value for column, value in named.items() if value is not None})


def get_step(user: User, number: int, permission: Permission | None = None) -> Step:
    """Raises NumberNotFoundError, and NotAllowedError where the person's role does not allow what `permission` names."""
    found: Step | None = list_steps(user).filter(pk=number).first()
    if found is None:
        raise NumberNotFoundError(f"There is no step {number} that you may see.")
    if permission is not None and not user.access.allows(found.workspace_id, permission):
        raise NotAllowedError(f"You may see step '{found.name}', but this needs the right {permission}.", permission=permission)
    return found


def list_templates(user: User, *, workspace: UUID | None = None, status: str | None = None, name: str | None = None) -> OfWorkflowQuerySet:
    """Templates with their workflow and, in `placed`, their steps."""
    placed = Prefetch("steps", TemplateStep.objects.select_related("step").order_by("order_num", "id"), to_attr="placed")
    found = StepTemplate.objects.visible_to(user).select_related("workflow__published_version", "version").defer(*_HEAVY)
    if status is not None:
        found = found.filter(workflow__published_version__isnull=status == "inactive")
    named = {"workflow__workspace_id": workspace, "workflow__name": name}
    return found.filter(**{column: value for column, value in named.items() if value is not None}).prefetch_related(placed)


def get_template(user: User, number: int, permission: Permission | None = None) -> StepTemplate:
    """Raises NumberNotFoundError, and NotAllowedError where it may be seen only."""
    found: StepTemplate | None = list_templates(user).filter(pk=number).first()
    if found is None:
        raise NumberNotFoundError(f"There is no template {number} that you may see.")
    if permission is not None:
        require(user, found.workflow, permission)
    return found


def list_runs(user: User, *, template_id: int | None = None, status: str | None = None) -> ExecutionQuerySet:
    """Executions of templates, with the number of the template and what was said at the start."""
    found = Execution.objects.visible_to(user).filter(workflow__steptemplate__isnull=False)
    named = {"workflow__steptemplate": template_id, "status": status}
    found = found.filter(**{column: value for column, value in named.items() if value is not None})
    return _with_names(found).defer("input", "variables", "output", "breakpoints")


def get_run(user: User, execution_id: UUID) -> Execution:
    """Raises ExecutionNotFoundError."""
    found = _with_names(Execution.objects.visible_to(user).filter(workflow__steptemplate__isnull=False)).filter(pk=execution_id).first()
    if found is None:
        raise ExecutionNotFoundError(f"There is no execution {execution_id} of a template that you may see.")
    return found


def list_step_runs(user: User, execution: Execution) -> Sequence[tuple[NodeRun, TemplateStep | None]]:
    """What has become of its steps, each with its place in the template (None where the template has it no more), at most a thousand."""
    runs = [run for run in list_node_runs(user, execution.pk) if not run.key.startswith("$")]
    placed = TemplateStep.objects.filter(template__workflow_id=execution.workflow_id).select_related("step")
    by_key = {each.key: each for each in placed}
    return [(run, by_key.get(run.key)) for run in runs]


def _with_names(found: ExecutionQuerySet) -> ExecutionQuerySet:
    return found.annotate(
        template_id=F("workflow__steptemplate__id"),
        template_name=F("workflow__name"),
        starter=F("started_by__username"),
        executed_by=F("remark__executed_by"),
        remarks=F("remark__remarks"),
    )
