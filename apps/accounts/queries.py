"""Reads of people and workspaces."""

from apps.accounts.models import User, Workspace


def personal_workspace(user: User) -> Workspace:
    """The workspace that owns what this person makes."""
    return Workspace.objects.get(owner=user, is_personal=True)
