"""Who may do what with a workflow: by membership of its workspace, or by a share of it or of a folder around it."""

from uuid import UUID

from apps.accounts.models import User
from apps.accounts.permissions import Permission, Permissions
from apps.engine.errors import ForbiddenError, NotFoundError
from apps.workflows.models import Workflow
from apps.workflows.shares import shared_with

_NOTHING: Permissions = frozenset()


class WorkflowNotFoundError(NotFoundError):
    code = "workflow_not_found"


class NotAllowedError(ForbiddenError):
    """The workflow may be seen, but not this be done with it; details: {"permission": str}."""

    code = "not_allowed"


def permissions_on(user: User, workflow: Workflow) -> Permissions:
    """All that `user` may do with a workflow; empty where it may not even be seen. At most two queries a request."""
    access = user.access
    if access.is_operator:
        return frozenset(Permission)
    own = access.permissions.get(workflow.workspace_id, _NOTHING)
    return own if Permission.WORKFLOW_MANAGE in own else own | shared_with(user).on(workflow.pk, workflow.folder_id)


def allows(user: User, workflow: Workflow, permission: Permission) -> bool:
    """Whether `user` may do this with the workflow."""
    access = user.access
    return access.allows(workflow.workspace_id, permission) or permission in permissions_on(user, workflow)


def is_visible(user: User, workflow: Workflow) -> bool:
    """Whether `user` may know that the workflow exists."""
    return bool(permissions_on(user, workflow) & {Permission.WORKFLOW_VIEW, Permission.WORKFLOW_RUN})


def require(user: User, workflow: Workflow, permission: Permission) -> None:
    """Raise NotAllowedError where the workflow may be seen but this not be done, WorkflowNotFoundError where it may not be seen."""
    if allows(user, workflow, permission):
        return
    if not is_visible(user, workflow):
        raise not_found(workflow.pk)
    raise NotAllowedError(f"You may see workflow '{workflow.name}', but this needs the right {permission}.", permission=permission)


def not_found(workflow_id: UUID) -> WorkflowNotFoundError:
    return WorkflowNotFoundError(f"There is no workflow {workflow_id} that you may see.")
