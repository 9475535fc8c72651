"""What a person may be allowed to do in a workspace, by name, and the roles that every workspace has."""

from collections.abc import Mapping
from enum import StrEnum


class Permission(StrEnum):
    """One right. The values stand in own roles, in API keys and in answers: they are stable."""

    WORKFLOW_VIEW = "workflow.view"
    WORKFLOW_CREATE = "workflow.create"
    WORKFLOW_EDIT = "workflow.edit"
    WORKFLOW_RUN = "workflow.run"
    WORKFLOW_MANAGE = "workflow.manage"
    EXECUTION_VIEW = "execution.view"
    EXECUTION_OPERATE = "execution.operate"
    CREDENTIAL_VIEW = "credential.view"
    CREDENTIAL_USE = "credential.use"
    CREDENTIAL_MANAGE = "credential.manage"
    TEMPLATE_MANAGE = "template.manage"
    MEMBER_VIEW = "member.view"
    MEMBER_MANAGE = "member.manage"
    ROLE_MANAGE = "role.manage"
    WORKSPACE_MANAGE = "workspace.manage"
    WORKSPACE_DELETE = "workspace.delete"
    AUDIT_VIEW = "audit.view"


Permissions = frozenset[Permission]

_VIEWER = frozenset({Permission.WORKFLOW_VIEW, Permission.EXECUTION_VIEW, Permission.MEMBER_VIEW})
_OPERATOR = _VIEWER | {Permission.WORKFLOW_RUN, Permission.EXECUTION_OPERATE}
_BUILDER = _OPERATOR | {
    Permission.WORKFLOW_CREATE,
    Permission.WORKFLOW_EDIT,
    Permission.CREDENTIAL_VIEW,
    Permission.CREDENTIAL_USE,
    Permission.CREDENTIAL_MANAGE,
    Permission.TEMPLATE_MANAGE,
}
_OWNER = frozenset(Permission)

OWNER = "owner"
BUILT_IN_ROLES: Mapping[str, Permissions] = {
    OWNER: _OWNER,
    "admin": _OWNER - {Permission.WORKSPACE_DELETE},
    "builder": _BUILDER,
    "operator": _OPERATOR,
    "viewer": _VIEWER,
}


_NAMES = frozenset(permission.value for permission in Permission)


def permissions_of(role: str, own: list[str] | None) -> Permissions:
    """What a membership allows.

    role   a built-in one; counts where `own` is None
    own    the permissions of a role that the workspace made itself; names that are no permission (any more) allow nothing
    """
    return BUILT_IN_ROLES[role] if own is None else frozenset(Permission(name) for name in own if name in _NAMES)
