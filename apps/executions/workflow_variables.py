"""Variables that executions of a workflow leave behind: read and changed by people."""

from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models.functions import Now

from apps.accounts.models import User
from apps.accounts.permissions import Permission
from apps.core.api.renderers import dumps
from apps.core.audit import Verb, record
from apps.engine.errors import InvalidError, NotFoundError
from apps.engine.json_values import check_json
from apps.executions.models import WorkflowVariable, WorkflowVariableQuerySet
from apps.workflows.access import not_found, require
from apps.workflows.models import Workflow

MAX_VARIABLES = 1000
MAX_BYTES = 64 * 1024


class VariableNotFoundError(NotFoundError):
    code = "variable_not_found"


class VariableTooLargeError(InvalidError):
    code = "variable_too_large"


class TooManyVariablesError(InvalidError):
    code = "too_many_variables"


def get_workflow_of_variables(user: User, workflow_id: UUID, permission: Permission) -> Workflow:
    """A workflow to do there with its variables what `permission` names. Raises WorkflowNotFoundError, NotAllowedError."""
    found = Workflow.objects.filter(pk=workflow_id).first()
    if found is None:
        raise not_found(workflow_id)
    require(user, found, permission)
    return found


def list_variables(workflow: Workflow) -> WorkflowVariableQuerySet:
    """By name; the caller has read the workflow before."""
    return WorkflowVariable.objects.filter(workflow=workflow).order_by("name")


def set_variable(*, workflow: Workflow, name: str, value: Any) -> WorkflowVariable:
    """Write a variable by hand. Raises VariableTooLargeError, TooManyVariablesError."""
    check_json(value)
    if (found := len(dumps(value))) > MAX_BYTES:
        raise VariableTooLargeError(f"Expected a value of at most {MAX_BYTES} bytes, found {found}.", found=found)
    others = WorkflowVariable.objects.filter(workflow=workflow).exclude(name=name)
    if others.count() >= MAX_VARIABLES:
        raise TooManyVariablesError(f"A workflow has at most {MAX_VARIABLES} variables.", found=MAX_VARIABLES)
    written = {"value": value, "execution": None, "updated_at": Now()}
    with transaction.atomic():
        before = WorkflowVariable.objects.select_for_update().filter(workflow=workflow, name=name).first()
        WorkflowVariable.objects.update_or_create(
            workflow=workflow, name=name, defaults=written, create_defaults={**written, "workspace_id": workflow.workspace_id}
        )
        made = WorkflowVariable.objects.get(workflow=workflow, name=name)
        record(Verb.VARIABLE_SET, made, before=None if before is None else {"value": before.value}, after={"value": value})
    return made


@transaction.atomic
def delete_variable(*, workflow: Workflow, name: str) -> None:
    """Forget a variable. Raises VariableNotFoundError."""
    found = WorkflowVariable.objects.select_for_update().filter(workflow=workflow, name=name).first()
    if found is None:
        raise VariableNotFoundError(f"Workflow '{workflow.name}' has no variable '{name}'.", name=name)
    record(Verb.VARIABLE_DELETED, found, before={"value": found.value})
    found.delete()
