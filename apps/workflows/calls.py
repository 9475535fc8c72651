"""Workflows that a definition calls: are they there, in the same workspace, and may whoever saves it run them?"""

from collections.abc import Iterator
from uuid import UUID

from apps.accounts.models import User
from apps.accounts.permissions import Permission
from apps.engine.definition import Definition
from apps.engine.pointers import pointer_to
from apps.engine.problems import Problem
from apps.nodes.registry import get_type
from apps.workflows.access import allows
from apps.workflows.models import Workflow, WorkflowVersion


def call_problems(definition: Definition, *, workspace_id: UUID, user: User | None) -> list[Problem]:
    """Faults of the calls in a definition. `user`: who saves it, None: the system. Two queries where there are calls, else none."""
    calls = list(_calls(definition))
    if not calls:
        return []
    ids = {workflow_id for _, workflow_id, _ in calls}
    workflows = {workflow.pk: workflow for workflow in Workflow.objects.filter(workspace_id=workspace_id, pk__in=ids)}
    versions = set(WorkflowVersion.objects.filter(workflow_id__in=workflows).values_list("workflow_id", "number"))
    return [problem for call in calls if (problem := _problem(*call, workflows, versions, user)) is not None]


def _calls(definition: Definition) -> Iterator[tuple[int, UUID, int | None]]:
    """(index of the node, id of the workflow, number of its version or None)."""
    for index, node in enumerate(definition.nodes):
        if (call := get_type(node.type).call_of(node.config)) is not None:
            yield index, UUID(call[0]), call[1]


def _problem(
    index: int,
    workflow_id: UUID,
    number: int | None,
    workflows: dict[UUID, Workflow],
    versions: set[tuple[UUID, int]],
    user: User | None,
) -> Problem | None:
    place = pointer_to("nodes", index, "config", "workflow")
    workflow = workflows.get(workflow_id)
    if workflow is None or (user is not None and not allows(user, workflow, Permission.WORKFLOW_RUN)):
        message = f"There is no workflow {workflow_id} in this workspace that you may run."
        return Problem(place, message, found=str(workflow_id), expected="the id of a workflow of this workspace that you may run")
    if number is not None and (workflow_id, number) not in versions:
        message = f"Workflow '{workflow.name}' has no version {number}."
        return Problem(pointer_to("nodes", index, "config", "version"), message, found=str(number), expected="the number of a version")
    return None
