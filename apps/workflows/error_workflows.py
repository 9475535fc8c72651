"""Is the workflow that is to deal with failures one that whoever saves may start?"""

from uuid import UUID

from apps.accounts.models import User
from apps.accounts.permissions import Permission
from apps.engine.definition import Definition
from apps.engine.problems import InvalidDefinitionError, Problem
from apps.workflows.access import allows, is_visible
from apps.workflows.models import Workflow

POINTER = "/settings/error_workflow"
_EXPECTED = "the id of another workflow of this workspace"


def check_error_workflow(
    definition: Definition, *, workspace_id: UUID, workflow_id: UUID | None, saved_by: User | None
) -> tuple[Problem, ...]:
    """Warnings about `settings.error_workflow`; a query where there is one.

    workflow_id   of the workflow that is saved; None for a new one
    saved_by      None: nobody whose rights could be asked for
    Raises InvalidDefinitionError.
    """
    named = definition.settings.error_workflow
    if named is None:
        return ()
    found = Workflow.objects.filter(pk=UUID(named), workspace_id=workspace_id).first()
    if message := _fault(found, named, workflow_id, saved_by):
        raise InvalidDefinitionError([Problem(POINTER, message, found=named, expected=_EXPECTED)])
    if found is not None and (found.published_version_id is None or found.archived_at is not None):
        state = "is archived" if found.archived_at is not None else "has no published version"
        return (Problem(POINTER, f"Workflow '{found.name}' {state}: a failure would start nothing.", found=named),)
    return ()


def _fault(found: Workflow | None, named: str, workflow_id: UUID | None, saved_by: User | None) -> str | None:
    if workflow_id == UUID(named):
        return "A workflow does not deal with its own failures: that could go on for ever."
    if found is None or (saved_by is not None and not is_visible(saved_by, found)):
        return f"This workspace has no workflow {named} that you may see."
    if saved_by is not None and not allows(saved_by, found, Permission.WORKFLOW_RUN):
        return f"You may not start workflow '{found.name}', so you cannot have failures start it."
    return None
