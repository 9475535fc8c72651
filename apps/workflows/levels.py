"""What somebody may do with one workflow or folder that was shared with them."""

from collections.abc import Mapping

from django.db import models

from apps.accounts.permissions import Permission, Permissions


class Level(models.TextChoices):
    """How far a share goes. Highest first."""

    OWNER = "owner", "owner: everything, sharing and deleting included"
    EDITOR = "editor", "editor: edit and run"
    EXECUTOR = "executor", "executor: run, without a look at the definition"
    VIEWER = "viewer", "viewer: look"


_VIEWER = frozenset({Permission.WORKFLOW_VIEW, Permission.EXECUTION_VIEW})
_EDITOR = _VIEWER | {Permission.WORKFLOW_EDIT, Permission.WORKFLOW_RUN, Permission.EXECUTION_OPERATE}

# An executor sees the name of the workflow and what it asks for, and the executions that are their own.
PERMISSIONS: Mapping[str, Permissions] = {
    Level.OWNER: _EDITOR | {Permission.WORKFLOW_MANAGE},
    Level.EDITOR: _EDITOR,
    Level.EXECUTOR: frozenset({Permission.WORKFLOW_RUN}),
    Level.VIEWER: _VIEWER,
}

# An owner can lock everybody else out: that is given to people by name, never by an address that may travel.
LINK_LEVELS = (Level.VIEWER, Level.EXECUTOR, Level.EDITOR)
LINK_CHOICES = [(level.value, level.label) for level in LINK_LEVELS]
