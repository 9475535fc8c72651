"""Reads of shares and links, by those who may share."""

from collections.abc import Sequence
from uuid import UUID

from django.db.models import Q

from apps.accounts.models import User
from apps.accounts.permissions import Permission
from apps.engine.errors import NotFoundError
from apps.workflows.access import permissions_on
from apps.workflows.models import Folder, Grant, GrantQuerySet, ShareLink, ShareLinkQuerySet, Workflow
from apps.workflows.queries_folders import sees_folder


class ShareNotFoundError(NotFoundError):
    code = "share_not_found"


class LinkOfWorkflowNotFoundError(NotFoundError):
    code = "link_not_found"


def list_shares(user: User, thing: Workflow | Folder) -> Sequence[Grant]:
    """The shares of a workflow or folder, and those of the folders around it that `user` may see, oldest first."""
    if isinstance(thing, Workflow):
        around: list[UUID] = list(thing.folder.ancestors) if thing.folder else []
        own = Q(workflow=thing)
    else:
        around, own = thing.ancestors[:-1], Q(folder=thing)
    seen = [folder_id for folder_id in around if sees_folder(user, thing.workspace_id, folder_id)]
    return list(_grants().filter(own | Q(folder_id__in=seen)).order_by("created_at", "id"))


def get_share(thing: Workflow | Folder, share_id: UUID) -> Grant:
    """A share of this very thing, none inherited. Raises ShareNotFoundError."""
    own = Q(workflow=thing) if isinstance(thing, Workflow) else Q(folder=thing)
    found = _grants().filter(own, pk=share_id).first()
    if found is None:
        raise ShareNotFoundError(f"It has no share {share_id} of its own.")
    return found


def list_links(workflow: Workflow) -> ShareLinkQuerySet:
    """The links of a workflow, revoked ones too, newest first."""
    return ShareLink.objects.filter(workflow=workflow).select_related("created_by").order_by("-created_at", "-id")


def get_link_of(workflow: Workflow, link_id: UUID) -> ShareLink:
    """Raises LinkOfWorkflowNotFoundError."""
    found = list_links(workflow).filter(pk=link_id).first()
    if found is None:
        raise LinkOfWorkflowNotFoundError(f"The workflow has no link {link_id}.")
    return found


def may_still_share(link: ShareLink) -> bool:
    """Whether who made a link is there still, and may share the workflow: otherwise it opens nothing."""
    maker = link.created_by
    if maker is None or not maker.is_active:
        return False
    return Permission.WORKFLOW_MANAGE in permissions_on(maker, link.workflow)


def _grants() -> GrantQuerySet:
    return Grant.objects.select_related("user", "team", "granted_by", "folder")
