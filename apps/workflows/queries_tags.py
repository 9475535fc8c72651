"""Reads of tags, each for somebody."""

from uuid import UUID

from django.db.models import Count, Q

from apps.accounts.models import User
from apps.accounts.permissions import Permission
from apps.engine.errors import NotFoundError
from apps.workflows.access import NotAllowedError
from apps.workflows.models import Tag, TagQuerySet


class TagNotFoundError(NotFoundError):
    code = "tag_not_found"


def list_tags(user: User, workspace_id: UUID | None = None) -> TagQuerySet:
    """Tags of one workspace, or of all, by name, each with `workflow_count`: workflows that are not archived."""
    found = Tag.objects.visible_to(user) if workspace_id is None else Tag.objects.visible_to(user).filter(workspace_id=workspace_id)
    return found.annotate(workflow_count=Count("workflows", filter=Q(workflows__archived_at__isnull=True))).order_by("name", "id")


def get_tag(user: User, tag_id: UUID, permission: Permission | None = None) -> Tag:
    """One tag. Raises TagNotFoundError, and NotAllowedError where the person's role does not allow what `permission` names."""
    tag = list_tags(user).filter(pk=tag_id).first()
    if tag is None:
        raise TagNotFoundError(f"There is no tag {tag_id} that you may see.")
    if permission is not None and not user.access.allows(tag.workspace_id, permission):
        raise NotAllowedError(f"You may see tag '{tag.name}', but this needs the right {permission}.", permission=permission)
    return tag
