"""Workflows in."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from typing import Any, Literal

from django.db import transaction

from apps.accounts.models import User, Workspace
from apps.accounts.permissions import Permission
from apps.engine.problems import InvalidDefinitionError, Problem
from apps.workflows import actions
from apps.workflows.access import require
from apps.workflows.exchange.document import Export, ExportedVersion, ExportedWorkflow, InvalidExportError
from apps.workflows.models import Workflow

OnConflict = Literal["rename", "skip", "version"]
MAX_NAME = 128


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of one workflow of an import.

    name     as it stands in the document; the workflow's own may differ from it, with on_conflict "rename"
    status   created: a new workflow; updated: a new version of one that was there; skipped: nothing changed
    number   of its newest version
    """

    name: str
    status: Literal["created", "updated", "skipped"]
    workflow: Workflow
    number: int


@transaction.atomic
def import_workflows(
    *, workspace: Workspace, export: Export, on_conflict: OnConflict, created_by: User, publish: bool = False
) -> list[Imported]:
    """Store the workflows of an export in a workspace: all or none.

    on_conflict   what happens where the workspace has a workflow of this name: rename: the new one gets another name; skip: nothing;
                  version: the newest version in the document becomes the next version of the one that is there
    publish       publish the newest version of each that is created or updated
    Raises InvalidExportError where a definition is not valid, NotAllowedError where a version is to be made of a workflow that may not be
    edited.
    """
    return [
        _import(workspace, workflow, f"/workflows/{index}", on_conflict, created_by, publish)
        for index, workflow in enumerate(export.workflows)
    ]


def _import(
    workspace: Workspace, exported: ExportedWorkflow, pointer: str, on_conflict: OnConflict, created_by: User, publish: bool
) -> Imported:
    there = Workflow.objects.filter(workspace=workspace, name=exported.name).first()
    if there is None or on_conflict == "rename":
        name = exported.name if there is None else _free_name(workspace, exported.name)
        return _create(workspace, name, exported, pointer, created_by, publish)
    if on_conflict == "skip":
        return Imported(exported.name, "skipped", there, there.versions.latest("number").number)
    require(created_by, there, Permission.WORKFLOW_EDIT)
    return _update(there, exported, pointer, created_by, publish)


def _create(workspace: Workspace, name: str, exported: ExportedWorkflow, pointer: str, created_by: User, publish: bool) -> Imported:
    first, *later = exported.versions
    with _faults_at(f"{pointer}/versions/0/definition"):
        saved = actions.create_workflow(
            workspace=workspace,
            definition=_without_empty_slots(first.definition),
            name=name,
            description=exported.description,
            changelog=first.changelog,
            created_by=created_by,
            publish=publish and not later,
        )
    for index, version in enumerate(later, 1):
        saved = _save(saved.version.workflow, version, f"{pointer}/versions/{index}", created_by, publish and index == len(later))
    return Imported(exported.name, "created", saved.version.workflow, saved.version.number)


def _update(workflow: Workflow, exported: ExportedWorkflow, pointer: str, created_by: User, publish: bool) -> Imported:
    saved = _save(workflow, exported.versions[-1], f"{pointer}/versions/{len(exported.versions) - 1}", created_by, publish)
    return Imported(exported.name, "updated" if saved.created else "skipped", saved.version.workflow, saved.version.number)


def _save(workflow: Workflow, version: ExportedVersion, pointer: str, created_by: User, publish: bool) -> actions.Saved:
    with _faults_at(f"{pointer}/definition"):
        return actions.save_version(
            workflow=workflow,
            definition=_without_empty_slots(version.definition),
            changelog=version.changelog,
            created_by=created_by,
            publish=publish,
        )


def _without_empty_slots(definition: dict[str, Any]) -> dict[str, Any]:
    """The definition without the nulls that an export has in place of credentials. A slot that must be filled is a fault then."""
    nodes = definition.get("nodes")
    return {**definition, "nodes": [_with_filled_slots(node) for node in nodes]} if isinstance(nodes, list) else definition


def _with_filled_slots(node: Any) -> Any:
    if not isinstance(node, dict) or not isinstance(node.get("credentials"), dict):
        return node
    filled = {slot: credential for slot, credential in node["credentials"].items() if credential is not None}
    others = {name: value for name, value in node.items() if name != "credentials"}
    return {**others, "credentials": filled} if filled else others


@contextmanager
def _faults_at(pointer: str) -> Iterator[None]:
    """Tell the faults of one definition with their places in the whole document."""
    try:
        yield
    except InvalidDefinitionError as error:
        faults = [Problem(**{**fault, "pointer": pointer + fault["pointer"]}) for fault in error.details["errors"]]
        raise InvalidExportError(faults) from error


def _free_name(workspace: Workspace, name: str) -> str:
    """The name with the first number behind it that is free: "orders (2)"."""
    names = (f"{name[: MAX_NAME - len(suffix)]}{suffix}" for number in count(2) for suffix in [f" ({number})"])
    taken = Workflow.objects.filter(workspace=workspace)
    return next(each for each in names if not taken.filter(name=each).exists())
