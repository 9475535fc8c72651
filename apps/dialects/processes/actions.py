"""Process definitions and instances: one function a verb. What they change are workflows, versions and executions."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db import transaction

from apps.accounts.models import User, Workspace
from apps.dialects.models import ProcessDefinition
from apps.dialects.processes.translation import Translated, translate
from apps.dialects.processes.work import INITIATOR
from apps.dialects.saving import at_its_place
from apps.dialects.services.reading import known_services
from apps.engine.problems import Problem
from apps.engine.validation import validate
from apps.executions.actions import InvalidInputError, Started, start_execution
from apps.nodes.registry import all_types
from apps.workflows.actions import Saved, create_workflow, publish_version, save_version, unpublish_workflow, update_workflow


@dataclass(frozen=True, slots=True)
class SavedProcess:
    definition: ProcessDefinition
    warnings: tuple[Problem, ...]


def create_definition(*, workspace: Workspace, form: Any, created_by: User) -> SavedProcess:
    """Make a process definition that may be started at once.

    Raises InvalidDefinitionError, with pointers into the form, and what `create_workflow` raises.
    """
    translated = translate(form, services=known_services(workspace.pk))
    with transaction.atomic(), at_its_place(translated.places):
        saved = create_workflow(workspace=workspace, definition=translated.definition, created_by=created_by, publish=True)
        made = ProcessDefinition.objects.create(workflow=saved.version.workflow, version=saved.version, form=form)
    return SavedProcess(made, _warnings(translated, saved))


def replace_definition(*, definition: ProcessDefinition, form: Any, saved_by: User) -> SavedProcess:
    """Give it a new form: the next version. One that is suspended stays so. Raises as `create_definition` does."""
    workflow = definition.workflow
    translated = translate(form, services=known_services(workflow.workspace_id))
    with transaction.atomic(), at_its_place(translated.places):
        is_active = workflow.published_version_id is not None
        saved = save_version(workflow=workflow, definition=translated.definition, created_by=saved_by, publish=is_active)
        document = translated.definition
        definition.workflow = update_workflow(workflow=saved.version.workflow, name=document["name"], description=document["description"])
        definition.version, definition.form = saved.version, form
        definition.save(update_fields=["version", "form", "updated_at"])
    return SavedProcess(definition, _warnings(translated, saved))


def check_form(*, workspace: Workspace, form: Any) -> tuple[Problem, ...]:
    """The warnings about a form that could be saved. Raises InvalidDefinitionError, with pointers into the form."""
    translated = translate(form, services=known_services(workspace.pk))
    with at_its_place(translated.places):
        validated = validate(translated.definition, all_types())
    return (*translated.warnings, *translated.places.problems(validated.warnings))


def suspend_definition(*, definition: ProcessDefinition) -> None:
    """Let nobody start it any more; instances under way go on. Twice is as good as once."""
    if definition.workflow.published_version_id is not None:
        definition.workflow = unpublish_workflow(workflow=definition.workflow)


def activate_definition(*, definition: ProcessDefinition) -> None:
    """Let its newest version be started. Twice is as good as once."""
    if definition.workflow.published_version_id is None:
        newest = definition.workflow.versions.latest("number")
        definition.workflow = publish_version(version=newest)


def start_instance(
    *,
    definition: ProcessDefinition,
    variables: Mapping[str, Any],
    started_by: User,
    business_key: str = "",
    depth: int = 0,
) -> Started:
    """Start an instance. Raises as `start_execution` does; faults of the variables are at `/variables`."""
    version = definition.workflow.published_version
    known = {} if version is None else version.start.get("input_schema", {}).get("properties", {})
    initiator = {INITIATOR: started_by.username} if INITIATOR in known and started_by.kind == User.Kind.PERSON else {}
    try:
        return start_execution(
            workflow=definition.workflow,
            version=version,
            input={**{name: value for name, value in variables.items() if name != INITIATOR or not known}, **initiator},
            started_by=started_by,
            business_key=business_key,
            depth=depth,
        )
    except InvalidInputError as error:
        errors = [{**each, "pointer": f"/variables{each['pointer']}"} for each in error.details["errors"]]
        message = f"The variables do not fit the definition: {errors[0]['pointer']}: {errors[0]['message']}"
        raise InvalidInputError(message, errors=errors) from error


def _warnings(translated: Translated, saved: Saved) -> tuple[Problem, ...]:
    return (*translated.warnings, *translated.places.problems(saved.warnings))
