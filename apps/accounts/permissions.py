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
    EVENT_SEND = "event.send"
    TASK_WORK = "task.work"
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


DESCRIPTIONS: Mapping[Permission, str] = {
    Permission.WORKFLOW_VIEW: "See workflows, their versions and definitions.",
    Permission.WORKFLOW_CREATE: "Make workflows and folders.",
    Permission.WORKFLOW_EDIT: "Change, publish and unpublish workflows.",
    Permission.WORKFLOW_RUN: "Start workflows.",
    Permission.WORKFLOW_MANAGE: "Share, move and delete workflows and folders.",
    Permission.EXECUTION_VIEW: "See executions with their inputs and outputs.",
    Permission.EXECUTION_OPERATE: "Pause, resume, cancel and decide about executions.",
    Permission.EVENT_SEND: "Send events that waiting executions go on with.",
    Permission.TASK_WORK: "Do the human tasks that are one's own or offered to one.",
    Permission.CREDENTIAL_VIEW: "See which credentials there are; their secrets are shown to nobody.",
    Permission.CREDENTIAL_USE: "Let workflows use credentials.",
    Permission.CREDENTIAL_MANAGE: "Make, change, share and delete credentials.",
    Permission.TEMPLATE_MANAGE: "Make, change and delete templates.",
    Permission.MEMBER_VIEW: "See who is in the workspace, its roles and teams.",
    Permission.MEMBER_MANAGE: "Invite and remove people, give roles, and make teams.",
    Permission.ROLE_MANAGE: "Make, change and delete the workspace's own roles.",
    Permission.WORKSPACE_MANAGE: "Change the name, description and settings of the workspace.",
    Permission.WORKSPACE_DELETE: "Delete the workspace with all that is in it.",
    Permission.AUDIT_VIEW: "Read who did what in the workspace.",
}

Permissions = frozenset[Permission]

_VIEWER = frozenset({Permission.WORKFLOW_VIEW, Permission.EXECUTION_VIEW, Permission.MEMBER_VIEW, Permission.TASK_WORK})
_OPERATOR = _VIEWER | {Permission.WORKFLOW_RUN, Permission.EXECUTION_OPERATE, Permission.EVENT_SEND}
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
ROLE_DESCRIPTIONS: Mapping[str, str] = {
    OWNER: "Everything. There is always at least one.",
    "admin": "Everything but to delete the workspace.",
    "builder": "Make, change and run workflows, and use and keep credentials.",
    "operator": "Run workflows and steer executions.",
    "viewer": "Look at everything, and do the tasks that are given to one.",
}

_NAMES = frozenset(permission.value for permission in Permission)


def permissions_of(role: str, own: list[str] | None) -> Permissions:
    """What a membership allows.

    role   a built-in one; counts where `own` is None
    own    the permissions of a role that the workspace made itself; names that are no permission (any more) allow nothing
    """
    return BUILT_IN_ROLES[role] if own is None else frozenset(Permission(name) for name in own if name in _NAMES)
