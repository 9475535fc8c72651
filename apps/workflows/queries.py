"""Reads of workflows, each for somebody: what `visible_to` hides does not exist."""

from dataclasses import dataclass
from functools import lru_cache
from uuid import UUID

from apps.accounts.models import User
from apps.accounts.permissions import Permission
from apps.engine.errors import NotFoundError
from apps.workflows.access import not_found, require
from apps.workflows.listing import complete, described
from apps.workflows.models import Workflow, WorkflowQuerySet, WorkflowVersion, WorkflowVersionQuerySet

KEPT_VERSIONS = 1024
_TO_START = ("id", "name", "workspace_id", "folder_id", "published_version_id", "archived_at")


class VersionNotFoundError(NotFoundError):
    code = "version_not_found"


@dataclass(frozen=True, slots=True)
class Startable:
    """A workflow and the version to start; None where it is to be the published one and there is none."""

    workflow: Workflow
    version: WorkflowVersion | None


def list_workflows(user: User) -> WorkflowQuerySet:
    """Workflows as `listing.described` has them."""
    return described(Workflow.objects.visible_to(user), user)


def get_workflow(user: User, workflow_id: UUID, permission: Permission | None = None) -> Workflow:
    """One workflow as `listing.complete` has it, to do with it what `permission` names.

    Raises WorkflowNotFoundError, and NotAllowedError where it may be seen only.
    """
    workflow = _workflow(list_workflows(user), workflow_id)
    if permission is not None:
        require(user, workflow, permission)
    return complete([workflow], user)[0]


def get_startable(user: User, workflow_id: UUID) -> Startable:
    """What a start of a workflow needs. Raises WorkflowNotFoundError, NotAllowedError."""
    # Shares are read only where the membership of its workspace does not allow it already.
    found = next(iter(Workflow.objects.only(*_TO_START).filter(pk=workflow_id)[:1]), None)
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
    """Raises VersionNotFoundError."""
    found = WorkflowVersion.objects.visible_to(user).select_related("workflow").filter(workflow_id=workflow_id, number=number).first()
    if found is None:
        raise VersionNotFoundError(f"There is no version {number} of a workflow {workflow_id} that you may see.")
    return found


def get_startable_version(user: User, version_id: UUID) -> Startable:
    """What a start of one version needs, published or not. Raises VersionNotFoundError."""
    found = WorkflowVersion.objects.startable_by(user).select_related("workflow").defer("definition", "workflow__description")
    version = found.filter(pk=version_id).first()
    if version is None:
        raise VersionNotFoundError(f"There is no version {version_id} that you may see.")
    return Startable(version.workflow, version)


def _workflow(found: WorkflowQuerySet, workflow_id: UUID) -> Workflow:
    workflow = found.filter(pk=workflow_id).first()
    if workflow is None:
        raise not_found(workflow_id)
    return workflow
