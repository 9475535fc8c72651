"""Reads of workflows, each for somebody: what `visible_to` hides does not exist."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from uuid import UUID

from django.db.models import Exists, F, OuterRef, Q

from apps.accounts.models import User
from apps.accounts.permissions import Permission
from apps.engine.errors import NotFoundError
from apps.workflows.access import is_visible, not_found, require
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


def get_workflows(user: User, workflow_ids: Sequence[UUID], permission: Permission) -> list[Workflow]:
    """Several workflows, in the order of their ids, to do with each what `permission` names. Raises as `get_workflow` does."""
    found = {workflow.pk: workflow for workflow in Workflow.objects.visible_to(user).filter(pk__in=workflow_ids)}
    for workflow_id in workflow_ids:
        if workflow_id not in found:
            raise not_found(workflow_id)
        require(user, found[workflow_id], permission)
    return [found[workflow_id] for workflow_id in workflow_ids]


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
    """Versions of a workflow that the caller has read before, with their authors and without their definitions."""
    return WorkflowVersion.objects.filter(workflow=workflow).select_related("created_by").defer("definition", "start")


def get_version(user: User, workflow_id: UUID, number: int) -> WorkflowVersion:
    """One version, with its definition. Raises VersionNotFoundError, NotAllowedError."""
    found = WorkflowVersion.objects.select_related("workflow", "created_by").filter(workflow_id=workflow_id, number=number).first()
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


def find_version_before(version: WorkflowVersion) -> WorkflowVersion | None:
    """The version that this one was saved after; None for the first."""
    return WorkflowVersion.objects.filter(workflow_id=version.workflow_id, number__lt=version.number).order_by("-number").first()


def using_node_type(workflows: WorkflowQuerySet, user: User, node_type: str) -> WorkflowQuerySet:
    """Those of the workflows that use a node type in their newest or published version, as far as `user` may read it."""
    later = WorkflowVersion.objects.filter(workflow=OuterRef("workflow"), number__gt=OuterRef("number"))
    current = WorkflowVersion.objects.visible_to(user).filter(Q(pk=F("workflow__published_version")) | ~Exists(later))
    return workflows.filter(pk__in=current.filter(nodes__type=node_type).values("workflow"))


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
