"""What is done to workflows and their versions: one function a verb."""

import hashlib
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import ProtectedError
from django.db.models.functions import Now

from apps.accounts.models import User, Workspace
from apps.core import audit, quotas
from apps.core.audit import Verb
from apps.core.quotas import QuotaName
from apps.engine.changes import canonical_json
from apps.engine.definition import Definition
from apps.engine.errors import ConflictError, InvalidError
from apps.engine.problems import InvalidDefinitionError, Problem
from apps.engine.validation import validate
from apps.nodes.registry import all_types
from apps.workflows.calls import call_problems
from apps.workflows.checks import check_allowed
from apps.workflows.compiled import compile_version, start_plan
from apps.workflows.credentials import check_credentials, record_references
from apps.workflows.error_workflows import check_error_workflow
from apps.workflows.merging import EditConflictError, merge_into
from apps.workflows.models import Workflow, WorkflowVersion
from apps.workflows.parts import record_parts
from apps.workflows.retention import prune_versions
from apps.workflows.sharing import let_own


class WorkflowNameTakenError(ConflictError):
    """The workspace has another workflow of this name; details: {"name": str}."""

    code = "workflow_name_taken"


class WorkflowInUseError(ConflictError):
    code = "workflow_in_use"


class EmptyNameError(InvalidError):
    code = "empty_name"


@dataclass(frozen=True, slots=True)
class Saved:
    """A stored definition.

    created    False when the newest version has the same content; that one is returned then
    warnings   what may be meant otherwise
    merged     others saved since the definition was begun, and the version has their changes too
    """

    version: WorkflowVersion
    created: bool
    warnings: tuple[Problem, ...]
    merged: bool = False


@dataclass(frozen=True, slots=True)
class _Checked:
    """A definition that has passed validation, ready to be stored."""

    document: dict[str, Any]
    definition: Definition
    warnings: tuple[Problem, ...]
    content_hash: str
    start: dict[str, Any]


def create_workflow(
    *,
    workspace: Workspace,
    definition: object,
    name: str | None = None,
    description: str | None = None,
    changelog: str = "",
    created_by: User | None = None,
    publish: bool = False,
) -> Saved:
    """Make a workflow and its version 1. Name and description are the definition's own where they are None.

    Who makes it owns it: where the role in the workspace does not allow sharing and deleting, a share does.
    Raises InvalidDefinitionError, CredentialNotUsableError, WorkflowNameTakenError, QuotaExceededError; nothing is stored then.
    """
    checked = _check(definition)
    check_credentials(checked.definition, workspace_id=workspace.pk, author=created_by)
    warnings = check_error_workflow(checked.definition, workspace_id=workspace.pk, workflow_id=None, saved_by=created_by)
    check_allowed(workspace.pk, checked.definition)
    with transaction.atomic(), audit.together():
        quotas.check(QuotaName.WORKFLOWS, workspace_id=workspace.pk, user_id=created_by.pk if created_by else None)
        workflow = Workflow(
            workspace=workspace,
            name=checked.definition.name if name is None else name,
            description=checked.definition.description if description is None else description,
            created_by=created_by,
        )
        _save_named(workflow, force_insert=True)
        audit.record(Verb.WORKFLOW_CREATED, workflow, after={"name": workflow.name, "description": workflow.description})
        version = _insert_version(workflow, checked, number=1, changelog=changelog, created_by=created_by)
        if publish:
            _publish(workflow, version)
        if created_by is not None:
            let_own(workflow=workflow, user=created_by, granted_by=created_by)
    return Saved(version, created=True, warnings=(*checked.warnings, *warnings))


def save_version(
    *,
    workflow: Workflow,
    definition: object,
    changelog: str = "",
    created_by: User | None = None,
    publish: bool = False,
    base_number: int | None = None,
) -> Saved:
    """Store a definition as the workflow's next version. The content of the newest version makes no second one; that of an older does.

    base_number   the version that the definition was made from: where it is not the newest, what others changed since is merged in.
                  None: the definition is taken as it is
    Raises InvalidDefinitionError, CredentialNotUsableError, EditConflictError, UnknownBaseError, BaseGoneError, QuotaExceededError; nothing
    is stored then.
    """
    checked = _check(definition)
    check_credentials(checked.definition, workspace_id=workflow.workspace_id, author=created_by)
    check_allowed(workflow.workspace_id, checked.definition)
    with transaction.atomic(), audit.together():
        workflow = _lock(workflow.pk)
        newest = workflow.versions.select_related("created_by").defer("definition", "start").latest("number")
        base_number = newest.number if base_number is None else base_number
        if is_merged := base_number != newest.number:
            checked = _merge(newest, checked, base_number)
        warnings = check_error_workflow(
            checked.definition, workspace_id=workflow.workspace_id, workflow_id=workflow.pk, saved_by=created_by
        )
        version, created = newest, newest.content_hash != checked.content_hash
        if created:
            version = _insert_version(workflow, checked, number=newest.number + 1, changelog=changelog, created_by=created_by)
        if publish:
            _publish(workflow, version)
        prune_versions(workflow)
        if created:  # counted last: pruning may have made room
            quotas.check(QuotaName.VERSIONS_PER_WORKFLOW, workspace_id=workflow.workspace_id, subject=workflow.pk, adding=0, made=1)
    version.workflow = workflow
    return Saved(version, created, (*checked.warnings, *warnings), is_merged)


def roll_back(*, version: WorkflowVersion, changelog: str = "", created_by: User | None = None, publish: bool = False) -> Saved:
    """Make the content of an older version the newest again, as a version of its own.

    changelog   empty: "Roll back to" and the number
    Raises InvalidDefinitionError where it is not valid any more.
    """
    return save_version(
        workflow=version.workflow,
        definition=version.definition,
        changelog=changelog or f"Roll back to {version.number}",
        created_by=created_by,
        publish=publish,
    )


@transaction.atomic
def publish_version(*, version: WorkflowVersion) -> Workflow:
    """Make this the version that starts by workflow run; executions under way keep theirs."""
    workflow = _lock(version.workflow_id)
    _publish(workflow, version)
    return workflow


@transaction.atomic
def unpublish_workflow(*, workflow: Workflow) -> Workflow:
    """Let nothing start by workflow any more. A version can still be started by its id."""
    before = {"published_version": workflow.published_version_id}
    workflow.published_version = None
    workflow.save(update_fields=["published_version", "updated_at"])
    audit.record(Verb.WORKFLOW_UNPUBLISHED, workflow, before=before, after={"published_version": None})
    return workflow


@transaction.atomic
def update_workflow(*, workflow: Workflow, name: str | None = None, description: str | None = None) -> Workflow:
    """Rename or describe; None leaves as it is. The definitions are not touched. Raises WorkflowNameTakenError."""
    before = {"name": workflow.name, "description": workflow.description}
    if name is not None:
        workflow.name = name
    if description is not None:
        workflow.description = description
    _save_named(workflow, update_fields=["name", "description", "updated_at"])
    after = {"name": workflow.name, "description": workflow.description}
    if before != after:
        audit.record(Verb.WORKFLOW_UPDATED, workflow, before=before, after=after)
    return workflow


@transaction.atomic
def delete_workflow(*, workflow: Workflow) -> None:
    """Delete a workflow that never ran, with its versions. Raises WorkflowInUseError when it has executions: history is kept."""
    Workflow.objects.select_for_update().get(pk=workflow.pk)
    audit.record(Verb.WORKFLOW_DELETED, workflow, before={"name": workflow.name, "description": workflow.description})
    try:
        workflow.delete()
    except ProtectedError as error:
        message = f"Workflow '{workflow.name}' has executions, and their history needs it. Unpublish it instead."
        raise WorkflowInUseError(message) from error


def _check(document: object) -> _Checked:
    validated = validate(document, all_types())
    return _Checked(
        document=document,  # type: ignore[arg-type]  # validated
        definition=validated.definition,
        warnings=validated.warnings,
        content_hash=hashlib.sha256(canonical_json(document)).hexdigest(),
        start=dict(start_plan(compile_version(validated.definition))),
    )


def _lock(workflow_id: UUID) -> Workflow:
    """The workflow, for one save at a time. Its executions start meanwhile: their rows refer to it, which the weaker lock allows."""
    return Workflow.objects.select_for_update(no_key=True).get(pk=workflow_id)


def _merge(newest: WorkflowVersion, mine: _Checked, base_number: int) -> _Checked:
    merged = merge_into(newest, mine.document, base_number=base_number)
    try:
        return _check(merged.document)
    except InvalidDefinitionError as error:
        raise EditConflictError(base=base_number, theirs=newest.number, merged=merged, errors=error.details["errors"]) from error


def _insert_version(workflow: Workflow, checked: _Checked, *, number: int, changelog: str, created_by: User | None) -> WorkflowVersion:
    if problems := call_problems(checked.definition, workspace_id=workflow.workspace_id, user=created_by):
        raise InvalidDefinitionError(problems)
    quotas.check(QuotaName.STORED_BYTES, workspace_id=workflow.workspace_id, adding=0)
    version = WorkflowVersion.objects.create(
        workspace_id=workflow.workspace_id,
        workflow=workflow,
        number=number,
        label=checked.definition.version or "",
        definition=checked.document,
        content_hash=checked.content_hash,
        start=checked.start,
        changelog=changelog,
        created_by=created_by,
    )
    record_parts(version)
    record_references(version, checked.definition)
    saved = {"version": version.pk, "number": number, "content_hash": checked.content_hash, "changelog": changelog}
    audit.record(Verb.VERSION_SAVED, workflow, after=saved)
    return version


def _publish(workflow: Workflow, version: WorkflowVersion) -> None:
    before = {"published_version": workflow.published_version_id}
    workflow.published_version = version
    workflow.save(update_fields=["published_version", "updated_at"])
    WorkflowVersion.objects.filter(pk=version.pk).update(published_at=Now())
    version.refresh_from_db(fields=["published_at"])
    audit.record(Verb.WORKFLOW_PUBLISHED, workflow, before=before, after={"published_version": version.pk, "number": version.number})


def _save_named(workflow: Workflow, **how: Any) -> None:
    if not workflow.name.strip():
        raise EmptyNameError("Expected a name, found an empty text.", pointer="/name")
    try:
        with transaction.atomic():
            workflow.save(**how)
    except IntegrityError as error:
        if "workflow_name_unique_in_workspace" not in str(error):
            raise
        raise WorkflowNameTakenError(f"The workspace has a workflow named '{workflow.name}' already.", name=workflow.name) from error
