"""What is done to folders, and which workflow lies in which: one function a verb.

Whatever changes a tree locks the row of its workspace first, so that two moves at a time cannot make a cycle together. Where something
is moved, other people may come to see it, or cease to: a move that changes that is sharing, and needs the right to share.
"""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.db import IntegrityError, connection, transaction
from django.db.models import Func, IntegerField, Max

from apps.accounts.models import User, Workspace
from apps.accounts.permissions import Permission
from apps.core import audit
from apps.core.audit import Verb
from apps.engine.errors import ConflictError, InvalidError
from apps.workflows.access import NotAllowedError, require
from apps.workflows.actions import EmptyNameError
from apps.workflows.models import Folder, Grant, Workflow
from apps.workflows.queries_folders import FolderNotFoundError, require_on_folder

MAX_DEPTH = 20
MAX_FOLDERS = 5000  # a workspace; they are listed as a whole


class FolderNameTakenError(ConflictError):
    """There is a folder of this name beside it already; details: {"name": str}."""

    code = "folder_name_taken"


class FolderCycleError(ConflictError):
    code = "folder_cycle"


class FolderTooDeepError(InvalidError):
    code = "folder_too_deep"


class FolderNotEmptyError(ConflictError):
    """details: {"folders": int, "workflows": int}"""

    code = "folder_not_empty"


class TooManyFoldersError(ConflictError):
    code = "too_many_folders"


class FolderOfOtherWorkspaceError(InvalidError):
    code = "folder_of_other_workspace"


def create_folder(*, workspace: Workspace, name: str, parent: Folder | None = None) -> Folder:
    """Make a folder, at the top where there is no parent.

    Raises FolderNameTakenError, FolderTooDeepError, TooManyFoldersError, FolderOfOtherWorkspaceError, FolderNotFoundError.
    """
    with transaction.atomic():
        _lock_tree(workspace.pk)
        around = _ancestors(parent, workspace.pk)
        _check_depth(len(around) + 1)
        if Folder.objects.filter(workspace=workspace).count() >= MAX_FOLDERS:
            raise TooManyFoldersError(f"A workspace has at most {MAX_FOLDERS} folders, and this one has them.", limit=MAX_FOLDERS)
        folder = Folder(workspace=workspace, parent=parent, name=name)
        folder.ancestors = [*around, folder.pk]
        _save_named(folder, force_insert=True)
        audit.record(Verb.FOLDER_CREATED, folder, after={"name": name, "parent": folder.parent_id})
    return folder


@transaction.atomic
def rename_folder(*, folder: Folder, name: str) -> Folder:
    """Raises FolderNameTakenError."""
    before, folder.name = folder.name, name
    _save_named(folder, update_fields=["name", "updated_at"])
    if before != name:
        audit.record(Verb.FOLDER_RENAMED, folder, before={"name": before}, after={"name": name})
    return folder


@transaction.atomic
def move_folder(*, folder: Folder, parent: Folder | None, moved_by: User) -> Folder:
    """Put a folder, with all in it, into another one, or at the top where `parent` is None.

    Raises FolderCycleError when the new place lies within it, FolderNameTakenError, FolderTooDeepError, FolderOfOtherWorkspaceError,
    FolderNotFoundError, and NotAllowedError when others would see it, or cease to, and `moved_by` may not share.
    """
    _lock_tree(folder.workspace_id)
    ancestors = _current_ancestors(folder.pk)
    around = _ancestors(parent, folder.workspace_id)
    if folder.pk in around:
        raise FolderCycleError(f"Folder '{folder.name}' cannot lie within itself.")
    _check_depth(len(around) + 1 + _height_below(folder.pk, len(ancestors)))
    if _changes_who_sees(ancestors[:-1], around):
        require_on_folder(moved_by, folder, Permission.WORKFLOW_MANAGE)
    _relocate(folder.pk, parent, around, depth=len(ancestors), name=folder.name)
    folder.parent, folder.ancestors = parent, [*around, folder.pk]
    if ancestors[:-1] != around:
        audit.record(Verb.FOLDER_MOVED, folder, before={"parent": _innermost(ancestors[:-1])}, after={"parent": folder.parent_id})
    return folder


@transaction.atomic
def delete_folder(*, folder: Folder, deleted_by: User, move_to: Folder | None = None, to_top: bool = False) -> None:
    """Delete a folder. Unless it is empty, what is in it goes to `move_to`, or with `to_top` to no folder.

    Raises FolderNotEmptyError when neither is given, and otherwise what `move_folder` raises.
    """
    _lock_tree(folder.workspace_id)
    locked = Folder.objects.select_for_update().filter(pk=folder.pk).first()
    if locked is None:
        raise _gone(folder.pk)
    folders, workflows = locked.children.count(), locked.workflows.count()
    if folders or workflows:
        if move_to is None and not to_top:
            raise FolderNotEmptyError(
                f"Folder '{folder.name}' holds {folders} folders and {workflows} workflows. Move them, or say where to.",
                folders=folders,
                workflows=workflows,
            )
        _empty(locked, move_to, deleted_by)
    before = {"name": locked.name, "parent": locked.parent_id, "folders": folders, "workflows": workflows}
    audit.record(Verb.FOLDER_DELETED, locked, before=before, after={"moved_to": move_to.pk} if move_to else None)
    locked.delete()


@transaction.atomic
def place_workflow(*, workflow: Workflow, folder: Folder | None, moved_by: User) -> Workflow:
    """Put a workflow into a folder of its workspace, or into none.

    Raises FolderOfOtherWorkspaceError, FolderNotFoundError, and NotAllowedError when others would see it, or cease to, and `moved_by` may
    not share.
    """
    if folder is None and not moved_by.access.allows(workflow.workspace_id, Permission.WORKFLOW_EDIT):
        raise NotAllowedError("Only members of the workspace take a workflow out of its folders.", permission=Permission.WORKFLOW_EDIT)
    # Held until the end, so that the folder is not deleted meanwhile.
    held = None if folder is None else Folder.objects.select_for_update(no_key=True).filter(pk=folder.pk).first()
    if folder is not None and held is None:
        raise _gone(folder.pk)
    around = _ancestors(held, workflow.workspace_id)
    before = _current_ancestors(workflow.folder_id) if workflow.folder_id else []
    if _changes_who_sees(before, around):
        require(moved_by, workflow, Permission.WORKFLOW_MANAGE)
    workflow.folder = held
    workflow.save(update_fields=["folder", "updated_at"])
    if before != around:
        audit.record(Verb.WORKFLOW_MOVED, workflow, before={"folder": _innermost(before)}, after={"folder": workflow.folder_id})
    return workflow


def _lock_tree(workspace_id: UUID) -> None:
    # No key: rows that refer to the workspace are inserted all the same.
    Workspace.objects.select_for_update(no_key=True).get(pk=workspace_id)


def _current_ancestors(folder_id: UUID) -> list[UUID]:
    ancestors = Folder.objects.filter(pk=folder_id).values_list("ancestors", flat=True).first()
    if ancestors is None:
        raise _gone(folder_id)
    return ancestors


def _ancestors(folder: Folder | None, workspace_id: UUID) -> list[UUID]:
    """Those of what will lie in `folder`, as the database has them now."""
    if folder is None:
        return []
    if folder.workspace_id != workspace_id:
        raise FolderOfOtherWorkspaceError(f"Folder '{folder.name}' belongs to another workspace.")
    return _current_ancestors(folder.pk)


def _innermost(folders: list[UUID]) -> UUID | None:
    return folders[-1] if folders else None


def _height_below(folder_id: UUID, depth: int) -> int:
    deepest = Max(Func("ancestors", function="cardinality", output_field=IntegerField()))
    return int(Folder.objects.filter(ancestors__contains=[folder_id]).aggregate(deepest=deepest)["deepest"]) - depth


def _check_depth(depth: int) -> None:
    if depth > MAX_DEPTH:
        raise FolderTooDeepError(f"Folders lie at most {MAX_DEPTH} deep in each other; this would make {depth}.", limit=MAX_DEPTH)


def _changes_who_sees(before: Iterable[UUID], after: Iterable[UUID]) -> bool:
    """Whether what moves from within these folders to within those comes under other shares."""
    changed = set(before) ^ set(after)
    return bool(changed) and Grant.objects.filter(folder_id__in=changed).exists()


# The whole subtree in one statement: whoever reads sees the tree before or after.
_RELOCATE = """
    update folder
       set ancestors = %(around)s::uuid[] || ancestors[%(keep_from)s:],
           parent_id = case when ancestors[%(keep_from)s] = id then %(parent)s::uuid else parent_id end,
           updated_at = clock_timestamp()
     where ancestors @> array[%(folder)s]::uuid[] and cardinality(ancestors) >= %(keep_from)s
"""


def _relocate(folder_id: UUID, parent: Folder | None, around: list[UUID], *, depth: int, name: str, with_itself: bool = True) -> None:
    """Move a folder with all below it, or only what is below."""
    keep_from = depth if with_itself else depth + 1
    values: dict[str, Any] = {"folder": folder_id, "around": around, "parent": parent.pk if parent else None, "keep_from": keep_from}
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(_RELOCATE, values)
    except IntegrityError as error:
        raise _name_taken(error, name) from error


def _empty(folder: Folder, move_to: Folder | None, moved_by: User) -> None:
    around = _ancestors(move_to, folder.workspace_id)
    if folder.pk in around:
        raise FolderCycleError(f"What is in folder '{folder.name}' cannot go into it.")
    _check_depth(len(around) + _height_below(folder.pk, len(folder.ancestors)))
    if _changes_who_sees(folder.ancestors, around):
        require_on_folder(moved_by, folder, Permission.WORKFLOW_MANAGE)
    _relocate(folder.pk, move_to, around, depth=len(folder.ancestors), name="of one in it", with_itself=False)
    folder.workflows.update(folder=move_to)


def _save_named(folder: Folder, **how: bool | list[str]) -> None:
    if not folder.name.strip():
        raise EmptyNameError("Expected a name, found an empty text.", pointer="/name")
    try:
        with transaction.atomic():
            folder.save(**how)  # type: ignore[arg-type]
    except IntegrityError as error:
        raise _name_taken(error, folder.name) from error


def _name_taken(error: IntegrityError, name: str) -> Exception:
    if "folder_name_unique_in_parent" not in str(error):
        return error
    return FolderNameTakenError(f"There is a folder named '{name}' in that place already.", name=name)


def _gone(folder_id: UUID) -> FolderNotFoundError:
    return FolderNotFoundError(f"There is no folder {folder_id} that you may see.")
