"""The library of steps, and templates: one function a verb. What a template changes are a workflow and its versions."""

from collections.abc import Mapping
from typing import Any

import orjson
from django.db import IntegrityError, transaction
from pydantic import ValidationError

from apps.accounts.models import User, Workspace
from apps.core.audit import Verb, record
from apps.dialects.models import ExecutionRemark, Step, StepTemplate, TemplateStep
from apps.dialects.processes.form import form_problems
from apps.dialects.saving import at_its_place
from apps.dialects.steps.executors import node_of, origin_of
from apps.dialects.steps.form import TemplateForm
from apps.dialects.steps.translation import LibraryStep, Translated, translate
from apps.engine.errors import ConflictError
from apps.engine.problems import InvalidDefinitionError, Problem
from apps.engine.validation import validate
from apps.executions.actions import Started, start_execution
from apps.nodes.registry import all_types
from apps.workflows.actions import create_workflow, publish_version, save_version, unpublish_workflow, update_workflow

ACTIVE, INACTIVE = "active", "inactive"


class StepNameTakenError(ConflictError):
    code = "step_name_taken"


class StepInUseError(ConflictError):
    """Templates place it; details: {"templates": [numbers]}."""

    code = "step_in_use"


@transaction.atomic
def create_step(*, workspace: Workspace, **fields: Any) -> Step:
    """Raises InvalidDefinitionError, with pointers into the step, and StepNameTakenError."""
    step = Step(workspace=workspace, **fields)
    _check(step)
    _save(step)
    record(Verb.STEP_CREATED, step, after=_shown(step))
    return step


@transaction.atomic
def update_step(*, step: Step, changed_by: User, **fields: Any) -> Step:
    """Change a step; the templates of the workspace that place it get a new version. Raises as `create_step` does."""
    before = _shown(step)
    for name, value in fields.items():
        setattr(step, name, value)
    _check(step)
    _save(step)
    record(Verb.STEP_UPDATED, step, before=before, after=_shown(step))
    placing = StepTemplate.objects.filter(steps__step=step, workflow__workspace_id=step.workspace_id).distinct()
    for template in placing.select_related("workflow").order_by("pk"):
        form = TemplateForm.model_validate_json(orjson.dumps(form_of(template)))
        _save_version(template, form, saved_by=changed_by)
    return step


@transaction.atomic
def delete_step(*, step: Step) -> None:
    """Raises StepInUseError."""
    if placing := sorted(set(TemplateStep.objects.filter(step=step).values_list("template_id", flat=True))):
        raise StepInUseError(f"Step '{step.name}' stands in {len(placing)} templates.", templates=placing)
    record(Verb.STEP_DELETED, step, before=_shown(step))
    step.delete()


def parse_form(data: object) -> TemplateForm:
    """Raises InvalidDefinitionError, with pointers into the form."""
    try:
        return TemplateForm.model_validate_json(orjson.dumps(data))
    except ValidationError as error:
        raise InvalidDefinitionError(form_problems(error, TemplateForm, data)) from error


def create_template(*, workspace: Workspace, form: TemplateForm, created_by: User) -> StepTemplate:
    """Raises InvalidDefinitionError, with pointers into the form, and what `create_workflow` raises."""
    translated = translate(form, library_of(workspace, form))
    with transaction.atomic(), at_its_place(translated.places):
        saved = create_workflow(workspace=workspace, definition=translated.definition, created_by=created_by, publish=form.status == ACTIVE)
        template = StepTemplate.objects.create(workflow=saved.version.workflow, version=saved.version)
        _place(template, translated)
    return template


@transaction.atomic
def replace_template(*, template: StepTemplate, form: TemplateForm, saved_by: User) -> StepTemplate:
    """Give it a new form: the next version. Raises as `create_template` does."""
    set_status(template=template, status=form.status)
    template.workflow = update_workflow(workflow=template.workflow, name=form.name, description=form.description)
    _save_version(template, form, saved_by=saved_by)
    return template


@transaction.atomic
def set_status(*, template: StepTemplate, status: str) -> StepTemplate:
    """Let its newest version be started, or none. Twice is as good as once."""
    is_active = template.workflow.published_version_id is not None
    if status == ACTIVE and not is_active:
        template.workflow = publish_version(version=template.workflow.versions.latest("number"))
    elif status == INACTIVE and is_active:
        template.workflow = unpublish_workflow(workflow=template.workflow)
    return template


def start_template(
    *,
    template: StepTemplate,
    started_by: User,
    input: Mapping[str, Any],
    executed_by: str,
    remarks: str,
    depth: int = 0,
) -> Started:
    """Start an execution of an active template. Raises as `start_execution` does."""
    with transaction.atomic():
        started = start_execution(workflow=template.workflow, input=input, started_by=started_by, depth=depth)
        ExecutionRemark.objects.create(execution_id=started.execution_id, executed_by=executed_by, remarks=remarks)
    return started


def form_of(template: StepTemplate) -> dict[str, Any]:
    """The form as it is kept, its steps in their order."""
    steps = [
        {
            "step_id": each.step_id,
            "key": each.key,
            "dependencies": each.dependencies,
            "run_mode": each.run_mode,
            "on_failure": each.on_failure,
            "order_num": each.order_num,
        }
        for each in template.steps.order_by("order_num", "id")
    ]
    workflow = template.workflow
    status = ACTIVE if workflow.published_version_id else INACTIVE
    return {"name": workflow.name, "description": workflow.description, "status": status, "steps": steps}


def library_of(workspace: Workspace, form: TemplateForm) -> dict[int, LibraryStep]:
    """The steps of the workspace that a form names."""
    return _library(workspace.pk, form)


def _library(workspace_id: Any, form: TemplateForm) -> dict[int, LibraryStep]:
    found = Step.objects.filter(workspace_id=workspace_id, pk__in={each.step_id for each in form.steps})
    return {each.pk: library_step(each) for each in found}


def library_step(step: Step) -> LibraryStep:
    return LibraryStep(step.pk, step.name, step.executor_type, step.executor_config, step.timeout, step.retry_count)


def _save_version(template: StepTemplate, form: TemplateForm, *, saved_by: User) -> None:
    workflow = template.workflow
    translated = translate(form, _library(workflow.workspace_id, form))
    with at_its_place(translated.places):
        is_active = workflow.published_version_id is not None
        saved = save_version(workflow=workflow, definition=translated.definition, created_by=saved_by, publish=is_active)
    template.workflow, template.version = saved.version.workflow, saved.version
    template.save(update_fields=["version", "updated_at"])
    template.steps.all().delete()
    _place(template, translated)


def _place(template: StepTemplate, translated: Translated) -> None:
    TemplateStep.objects.bulk_create(
        TemplateStep(
            template=template,
            step_id=each.step.id,
            key=each.key,
            dependencies=list(each.form.dependencies),
            run_mode=each.form.run_mode,
            on_failure=each.form.on_failure,
            order_num=each.order_num,
        )
        for each in translated.steps
    )


def _check(step: Step) -> None:
    """Check what the step would be as the only one of a template."""
    node = {"key": "step", **node_of(step.executor_type, step.executor_config, timeout=step.timeout)}
    try:
        validate({"schema": 1, "name": "step", "nodes": [node]}, all_types())
    except InvalidDefinitionError as error:
        raise InvalidDefinitionError([_placed(step, Problem(**each)) for each in error.details["errors"]]) from error


def _placed(step: Step, problem: Problem) -> Problem:
    inside = problem.pointer.removeprefix("/nodes/0")
    if inside.startswith("/credentials"):
        inside = "/config/credential"
    place = origin_of(step.executor_type, step.executor_config, inside.removeprefix("/config")) if inside != "/config" else ""
    return Problem(f"/executor_config{place}", problem.message, problem.found, problem.expected, problem.suggestion)


def _save(step: Step) -> None:
    try:
        with transaction.atomic():
            step.save()
    except IntegrityError as error:
        if "step_name_unique_in_workspace" not in str(error):
            raise
        raise StepNameTakenError(f"The workspace has a step '{step.name}' already.", name=step.name) from error


def _shown(step: Step) -> dict[str, Any]:
    names = ("name", "description", "executor_type", "executor_config", "timeout", "retry_count")
    return {name: getattr(step, name) for name in names}
