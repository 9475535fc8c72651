"""Lists of workflows, narrowed by filters, and what each row of them shows."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import Count, Exists, F, IntegerField, OuterRef, Q, Subquery
from django.db.models.functions import JSONObject, Lower

from apps.accounts.models import User
from apps.accounts.permissions import Permission
from apps.workflows.access import permissions_on
from apps.workflows.models import Favourite, Folder, Tag, Workflow, WorkflowQuerySet, WorkflowVersion
from apps.workflows.queries_folders import sees_folder
from apps.workflows.search import containing
from apps.workflows.shares import shared_with

MAX_GROUPS = 1000
NO_FOLDER = "none"


@dataclass(frozen=True, slots=True)
class Filters:
    """What a list of workflows is narrowed to; None and "" narrow nothing.

    folder      of this folder; "none": of no folder
    recursive   of the folders below it, too
    tags        names, whatever their capitals, or ids: a workflow has all of them
    archived    "false": without the archived ones; "true": those alone; "all": both
    search      words, each of which is contained; see `search.containing`
    """

    workspace: UUID | None = None
    folder: UUID | Literal["none"] | None = None
    recursive: bool = False
    tags: tuple[str, ...] = ()
    favourite: bool | None = None
    shared_with_me: bool = False
    archived: Literal["false", "true", "all"] = "false"
    published: bool | None = None
    search: str = ""


def matching(user: User, filters: Filters) -> WorkflowQuerySet:
    """The workflows that `user` may see and that fit the filters."""
    found = Workflow.objects.visible_to(user).filter(_columns(filters))
    if filters.folder is not None:
        found = found.filter(_in_folder(filters))
    if filters.shared_with_me:
        found = found.filter(shared_with(user).where(workflow="pk", folder="folder_id"))
    if filters.favourite is not None:
        mine = Exists(Favourite.objects.filter(user=user, workflow=OuterRef("pk")))
        found = found.filter(mine) if filters.favourite else found.exclude(mine)
    for tag in filters.tags:
        found = found.filter(_tagged(user, tag))
    return containing(found, user, filters.search) if filters.search.strip() else found


def described(found: WorkflowQuerySet, user: User) -> WorkflowQuerySet:
    """The rows as they are shown: with `latest_number`, `tag_list` [{"id", "name", "colour"}], `is_favourite`, and the published version.

    Subqueries, so that only the rows of a page are asked about. Definitions, which may be megabytes, are left out.
    """
    versions = WorkflowVersion.objects.filter(workflow=OuterRef("pk")).order_by("-number").values("number")[:1]
    tags = Tag.objects.filter(workflows=OuterRef("pk")).order_by("name").values(json=JSONObject(id="id", name="name", colour="colour"))
    shown = found.select_related("published_version").defer("published_version__definition", "published_version__start")
    return shown.annotate(
        latest_number=Subquery(versions, output_field=IntegerField()),
        tag_list=ArraySubquery(tags),
        is_favourite=Exists(Favourite.objects.filter(user=user, workflow=OuterRef("pk"))),
    )


def complete(rows: Iterable[Workflow], user: User) -> list[Workflow]:
    """Rows of `described`, each with what depends on rights that were read already: no further query.

    permissions    values of `Permission`, sorted
    shown_folder   id, None also where the person may not know of the folder
    shown_tags     none where the person may run the workflow but not see it
    """
    completed = list(rows)
    for workflow in completed:
        _complete(workflow, user)
    return completed


def _complete(workflow: Any, user: User) -> None:
    allowed = permissions_on(user, workflow)
    folder = workflow.folder_id
    workflow.permissions = sorted(allowed)
    workflow.shown_folder = folder if folder and sees_folder(user, workflow.workspace_id, folder) else None
    workflow.shown_tags = workflow.tag_list if Permission.WORKFLOW_VIEW in allowed else []


def count_by_tag(user: User, filters: Filters) -> list[dict[str, Any]]:
    """[{"id": tag id, "name": str, "colour": str, "count": int}] of what fits the filters, the most frequent first."""
    rows = Workflow.tags.through.objects.filter(workflow__in=matching(user, filters).values("pk"), tag__in=Tag.objects.visible_to(user))
    counted = rows.values("tag_id", name=F("tag__name"), colour=F("tag__colour")).annotate(count=Count("pk")).order_by("-count", "name")
    return [{"id": row["tag_id"], "name": row["name"], "colour": row["colour"], "count": row["count"]} for row in counted[:MAX_GROUPS]]


def count_by_folder(user: User, filters: Filters) -> list[dict[str, Any]]:
    """[{"id": folder id, "name": str, "count": int}] of what fits the filters and lies in a folder that `user` may see."""
    rows = matching(user, filters).filter(folder__in=Folder.objects.visible_to(user)).order_by()
    counted = rows.values("folder_id", folder_name=F("folder__name")).annotate(count=Count("pk")).order_by("-count", "folder_name")
    return [{"id": row["folder_id"], "name": row["folder_name"], "count": row["count"]} for row in counted[:MAX_GROUPS]]


def _columns(filters: Filters) -> Q:
    columns: dict[str, Any] = {}
    if filters.workspace is not None:
        columns["workspace_id"] = filters.workspace
    if filters.archived != "all":
        columns["archived_at__isnull"] = filters.archived == "false"
    if filters.published is not None:
        columns["published_version__isnull"] = not filters.published
    return Q(**columns)


def _in_folder(filters: Filters) -> Q:
    if filters.folder == NO_FOLDER:
        return Q(folder__isnull=True)
    if not filters.recursive:
        return Q(folder_id=filters.folder)
    return Q(folder_id__in=Folder.objects.filter(ancestors__contains=[filters.folder]).values("pk"))


def _tagged(user: User, tag: str) -> Q:
    """Has a tag of this name or id. Tags of other people's workspaces count nowhere, so that a filter does not tell of them."""
    tags = Tag.objects.visible_to(user).alias(lower=Lower("name")).filter(_tag_named(tag)).values_list("pk", flat=True)
    return Q(Exists(Workflow.tags.through.objects.filter(workflow=OuterRef("pk"), tag_id__in=list(tags))))


def _tag_named(tag: str) -> Q:
    try:
        return Q(pk=UUID(tag)) | Q(lower=tag.lower())
    except ValueError:
        return Q(lower=tag.lower())
