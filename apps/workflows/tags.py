"""What is done to tags, and which workflow has which: one function a verb."""

from collections.abc import Sequence
from uuid import UUID

from django.db import IntegrityError, connection, transaction
from django.db.models.functions import Lower

from apps.accounts.models import User, Workspace
from apps.accounts.permissions import Permission
from apps.core import audit
from apps.core.audit import Verb
from apps.engine.errors import ConflictError, InvalidError
from apps.workflows.access import NotAllowedError
from apps.workflows.actions import EmptyNameError
from apps.workflows.models import Tag, Workflow

MAX_TAGS = 1000  # a workspace; they are listed as a whole
MAX_TAGS_EACH = 50  # a workflow


class TagNameTakenError(ConflictError):
    """The workspace has a tag of this name, whatever its capitals; details: {"name": str}."""

    code = "tag_name_taken"


class TooManyTagsError(ConflictError):
    code = "too_many_tags"


class TagsOfOtherWorkspacesError(InvalidError):
    code = "tags_of_other_workspaces"


@transaction.atomic
def create_tag(*, workspace: Workspace, name: str, colour: str | None = None) -> Tag:
    """colour   #rrggbb; None: the usual one. Raises TagNameTakenError, TooManyTagsError."""
    _check_room(workspace.pk, 1)
    tag = Tag(workspace=workspace, name=name.strip(), **({} if colour is None else {"colour": colour.lower()}))
    _save_named(tag, force_insert=True)
    audit.record(Verb.TAG_CREATED, tag, after=_shown(tag))
    return tag


@transaction.atomic
def update_tag(*, tag: Tag, name: str | None = None, colour: str | None = None) -> Tag:
    """Rename or recolour; None leaves as it is. Raises TagNameTakenError."""
    before = _shown(tag)
    if name is not None:
        tag.name = name.strip()
    if colour is not None:
        tag.colour = colour.lower()
    _save_named(tag, update_fields=["name", "colour", "updated_at"])
    if before != _shown(tag):
        audit.record(Verb.TAG_UPDATED, tag, before=before, after=_shown(tag))
    return tag


_MERGE = """
    insert into workflow_tag (workflow_id, tag_id) select workflow_id, %s from workflow_tag where tag_id = %s
    on conflict (workflow_id, tag_id) do nothing
"""


@transaction.atomic
def merge_tag(*, tag: Tag, into: Tag) -> Tag:
    """Give every workflow of `tag` the tag `into` as well, and delete `tag`. Raises TagsOfOtherWorkspacesError."""
    if tag.workspace_id != into.workspace_id:
        raise TagsOfOtherWorkspacesError("Tags of different workspaces cannot be merged.")
    if tag.pk != into.pk:
        with connection.cursor() as cursor:
            cursor.execute(_MERGE, [into.pk, tag.pk])
        audit.record(Verb.TAG_MERGED, tag, before=_shown(tag), after={"into": into.pk, "name": into.name})
        tag.delete()
    return into


@transaction.atomic
def delete_tag(*, tag: Tag) -> None:
    """Take it off every workflow, and delete it."""
    audit.record(Verb.TAG_DELETED, tag, before=_shown(tag))
    tag.delete()


@transaction.atomic
def tag_workflow(*, workflow: Workflow, names: Sequence[str], tagged_by: User) -> list[Tag]:
    """Let a workflow have exactly these tags. Names that the workspace has not yet become tags of it.

    Tags are words of the workspace: whoever was only given the workflow can neither use nor probe them.
    Raises NotAllowedError, TooManyTagsError, EmptyNameError.
    """
    if not tagged_by.access.allows(workflow.workspace_id, Permission.WORKFLOW_EDIT):
        raise NotAllowedError("Only members of the workspace put tags on its workflows.", permission=Permission.WORKFLOW_EDIT)
    wanted = {name.strip().lower(): name.strip() for name in names}
    if "" in wanted:
        raise EmptyNameError("Expected a name, found an empty text.", pointer="/tags")
    if len(wanted) > MAX_TAGS_EACH:
        raise TooManyTagsError(f"Expected at most {MAX_TAGS_EACH} tags, found {len(wanted)}.", limit=MAX_TAGS_EACH)
    tags = _known(workflow, wanted)
    missing = [name for lower, name in wanted.items() if lower not in {tag.name.lower() for tag in tags}]
    if missing:
        _check_room(workflow.workspace_id, len(missing))
        Tag.objects.bulk_create([Tag(workspace_id=workflow.workspace_id, name=name) for name in missing], ignore_conflicts=True)
        tags = _known(workflow, wanted)  # another request may have made the same ones
    before = sorted(workflow.tags.values_list("name", flat=True))
    workflow.tags.set(tags)
    tags.sort(key=lambda tag: tag.name)
    after = [tag.name for tag in tags]
    if before != after:
        audit.record(Verb.WORKFLOW_TAGGED, workflow, before={"tags": before}, after={"tags": after})
    return tags


def _shown(tag: Tag) -> dict[str, str]:
    return {"name": tag.name, "colour": tag.colour}


def _known(workflow: Workflow, wanted: dict[str, str]) -> list[Tag]:
    return list(Tag.objects.filter(workspace_id=workflow.workspace_id).alias(lower=Lower("name")).filter(lower__in=list(wanted)))


def _check_room(workspace_id: UUID, more: int) -> None:
    if Tag.objects.filter(workspace_id=workspace_id).count() + more > MAX_TAGS:
        raise TooManyTagsError(f"A workspace has at most {MAX_TAGS} tags.", limit=MAX_TAGS)


def _save_named(tag: Tag, **how: bool | list[str]) -> None:
    if not tag.name:
        raise EmptyNameError("Expected a name, found an empty text.", pointer="/name")
    try:
        with transaction.atomic():
            tag.save(**how)  # type: ignore[arg-type]
    except IntegrityError as error:
        if "tag_name_unique_in_workspace" not in str(error):
            raise
        raise TagNameTakenError(f"The workspace has a tag named '{tag.name}' already.", name=tag.name) from error
