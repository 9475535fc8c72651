"""Reads of workflows, each for somebody: what `visible_to` hides does not exist."""

from dataclasses import dataclass
from functools import lru_cache
from uuid import UUID

from django.db.models import Max

from apps.accounts.models import User
from apps.accounts.permissions import Permission
from apps.engine.errors import NotFoundError
from apps.workflows.access import is_visible, not_found, require
from apps.workflows.models import Workflow, WorkflowQuerySet, WorkflowVersion, WorkflowVersionQuerySet

KEPT_VERSIONS = 1024


class VersionNotFoundError(NotFoundError):
    code = "version_not_found"


@dataclass(frozen=True, slots=True)
class Startable:
    """A workflow and the version to start; None where it is to be the published one and there is none."""

    workflow: Workflow
    version: WorkflowVersion | None


def list_workflows(user: User) -> WorkflowQuerySet:
    """Workflows with `latest_number`, and their published version without its definition, which may be megabytes."""
    found = Workflow.objects.visible_to(user).select_related("published_version")
    return found.defer("published_version__definition", "published_version__start").annotate(latest_number=Max("versions__number"))


def get_workflow(user: User, workflow_id: UUID, permission: Permission | None = None) -> Workflow:
    """One workflow as `list_workflows` has it, to do with it what `permission` names.

    Raises WorkflowNotFoundError, and NotAllowedError where it may be seen only.
    """
    workflow = _workflow(list_workflows(user), workflow_id)
    if permission is not None:
        require(user, workflow, permission)
    return workflow


def get_startable(user: User, workflow_id: UUID) -> Startable:
    """What a start of a workflow needs. Raises WorkflowNotFoundError, NotAllowedError."""
    # Shares are read only where the membership of its workspace does not allow it already.
    found = next(iter(Workflow.objects.only("id", "name", "workspace_id", "published_version_id").filter(pk=workflow_id)[:1]), None)
    if found is None:
        raise not_found(workflow_id)
    require(user, found, Permission.WORKFLOW_RUN)
    return Startable(found, _version_to_start(found.published_version_id) if found.published_version_id else None)


@lru_cache(KEPT_VERSIONS)
def _version_to_start(version_id: UUID) -> WorkflowVersion:
    """A version without its definition. It never changes, so that the process keeps it; whoever asks has checked that it may be seen."""
    return WorkflowVersion.objects.defer("definition").get(pk=version_id)


def list_versions(workflow: Workflow) -> WorkflowVersionQuerySet:
    """Versions of a workflow that the caller has read before, without their definitions."""
    return WorkflowVersion.objects.filter(workflow=workflow).defer("definition", "start")


def get_version(user: User, workflow_id: UUID, number: int) -> WorkflowVersion:
    """One version, with its definition. Raises VersionNotFoundError, NotAllowedError."""
    found = WorkflowVersion.objects.select_related("workflow").filter(workflow_id=workflow_id, number=number).first()
    return _allowed(user, found, Permission.WORKFLOW_VIEW, f"There is no version {number} of a workflow {workflow_id} that you may see.")


def get_template_source(workflow: Workflow, number: int | None) -> WorkflowVersion:
    """The version to make a template of: this one, else the published one, else the newest. The caller has read the workflow before.

    Raises VersionNotFoundError.
    """
    versions = workflow.versions.defer("start")
    published = workflow.published_version if number is None else None
    found = published or (versions.order_by("-number") if number is None else versions.filter(number=number)).first()
    if found is None:
        raise VersionNotFoundError(f"Workflow '{workflow.name}' has no version {number or 'yet'}.")
    return found


def get_startable_version(user: User, version_id: UUID) -> Startable:
    """What a start of one version needs, published or not. Raises VersionNotFoundError, NotAllowedError."""
    found = WorkflowVersion.objects.select_related("workflow").defer("definition", "workflow__description").filter(pk=version_id).first()
    version = _allowed(user, found, Permission.WORKFLOW_RUN, f"There is no version {version_id} that you may see.")
    return Startable(version.workflow, version)


def _allowed(user: User, version: WorkflowVersion | None, permission: Permission, unknown: str) -> WorkflowVersion:
    if version is None or not is_visible(user, version.workflow):
        raise VersionNotFoundError(unknown)
    require(user, version.workflow, permission)
    return version


def _workflow(found: WorkflowQuerySet, workflow_id: UUID) -> Workflow:
    workflow = found.filter(pk=workflow_id).first()
    if workflow is None:
        raise not_found(workflow_id)
    return workflow
