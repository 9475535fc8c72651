"""Deleting a workspace with all that hangs on it, table by table.

Not by Django's own cascade, which reads every row into memory and refuses where history protects a version, and never by one statement for
each row: a workspace may hold millions of node runs.
"""

from collections.abc import Iterator
from typing import Any

from django.db import models, transaction
from django.db.models import Q

from apps.accounts.models import Workspace
from apps.core import fence

Paths = dict[type[models.Model], list[str]]  # lookups that lead from rows of a model to the workspace they hang on


def erase_workspace(workspace: Workspace) -> None:
    """Delete the workspace, what is in it and what hangs below that; what merely mentions it loses the mention."""
    doomed, mentions = _reach()
    # Foreign keys are checked at the end of the transaction. Below comes first, since it is found by what it hangs on. The fence is lifted
    # because with the memberships gone nothing would be reached any more.
    with fence.lifted(), transaction.atomic():
        for model, field, path in mentions:
            rows = model._base_manager.filter(**{path: workspace.pk})
            own = dict.fromkeys(doomed.get(model, [])[:1], workspace.pk)
            (rows.exclude(**own) if own else rows).update(**{field: None})
        for model, paths in reversed(doomed.items()):
            rows = model._base_manager.filter(Q(*((path, workspace.pk) for path in paths), _connector=Q.OR))
            rows._raw_delete(rows.db)


def _reach() -> tuple[Paths, list[tuple[type[models.Model], str, str]]]:
    """What goes with a workspace, the nearest first; and (model, field, path) of what only mentions something that goes."""
    doomed: Paths = {Workspace: ["pk"]}
    mentions: list[tuple[type[models.Model], str, str]] = []
    waiting: list[type[models.Model]] = [Workspace]
    while waiting:
        parent = waiting.pop(0)
        for child, field in _references(parent):
            if child is parent or field.remote_field.on_delete is models.DO_NOTHING:
                continue  # goes by its own path; or outlives what it names, as the audit log does
            path = field.name if parent is Workspace else f"{field.name}__{doomed[parent][0]}"
            if field.remote_field.on_delete is models.SET_NULL:
                mentions.append((child, field.name, path))
            elif child in doomed:
                doomed[child].append(path)
            else:
                doomed[child] = [path]
                waiting.append(child)
    doomed[Workspace] = ["pk"]
    return doomed, mentions


def _references(parent: type[models.Model]) -> Iterator[tuple[type[models.Model], Any]]:
    for relation in parent._meta.get_fields(include_hidden=True):
        if relation.auto_created and (relation.one_to_many or relation.one_to_one):
            yield relation.related_model, relation.field  # type: ignore[misc, union-attr]  # a reverse relation has both
