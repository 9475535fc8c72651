"""Workflows of other products in."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django.db import transaction

from apps.accounts.models import User, Workspace
from apps.engine.problems import Problem
from apps.workflows.exchange.document import MAX_WORKFLOWS, Export, ExportedVersion, ExportedWorkflow, read_export
from apps.workflows.exchange.importing import Imported, OnConflict, import_workflows
from apps.workflows.imports.dify.importing import from_dify
from apps.workflows.imports.errors import InvalidForeignError
from apps.workflows.imports.formats import Format, format_of
from apps.workflows.imports.n8n.importing import from_n8n
from apps.workflows.imports.report import Report
from apps.workflows.models import Workflow

_CALLS = "n8n-nodes-base.executeWorkflow"


@dataclass(frozen=True, slots=True)
class Brought:
    """A workflow that came in; `report` is None for one of our own, which comes as it is."""

    imported: Imported
    report: Report | None


@transaction.atomic
def import_document(
    *,
    workspace: Workspace,
    document: Any,
    on_conflict: OnConflict,
    created_by: User,
    publish: bool = False,
    format: Format | None = None,
    dry_run: bool = False,
) -> list[Brought]:
    """Store the workflows of an export of any known product: all or none. The report becomes the changelog of the version.

    format    None: told by the document itself
    dry_run   do everything and keep nothing: the answer is what it would be
    Raises UnknownFormatError, InvalidForeignError, and what `import_workflows` raises.
    """
    match format or format_of(document):
        case "structforge":
            export = read_export(document)
            found = import_workflows(workspace=workspace, export=export, on_conflict=on_conflict, created_by=created_by, publish=publish)
            brought = [Brought(each, None) for each in found]
        case foreign:
            brought = [
                _stored(workspace, read(workspace, created_by), on_conflict, created_by, publish) for read in _readers(foreign, document)
            ]
    if dry_run:
        transaction.set_rollback(True)
    return brought


Read = Callable[[Workspace, User], tuple[dict[str, Any], Report]]


def _readers(format: Format, document: Any) -> list[Read]:
    """What reads each workflow of a document, one after the other: a later one may call those before it."""
    if format == "dify":
        return [lambda workspace, user: from_dify(_an_object(document, "Dify", ""))]
    documents = document if isinstance(document, list) else [document]
    if not 0 < len(documents) <= MAX_WORKFLOWS:
        raise InvalidForeignError("n8n", [Problem("", f"Expected from 1 to {MAX_WORKFLOWS} workflows, found {len(documents)}.")])
    pointers = {index: f"/{index}" if isinstance(document, list) else "" for index in range(len(documents))}
    return [_n8n_reader(_an_object(documents[index], "n8n", pointers[index]), pointers[index]) for index in _called_first(documents)]


def _n8n_reader(document: Mapping[str, Any], pointer: str) -> Read:
    return lambda workspace, user: from_n8n(document, lambda name: _find_workflow(workspace, user, name), pointer)


def _an_object(document: Any, product: str, pointer: str) -> Mapping[str, Any]:
    if not isinstance(document, Mapping):
        raise InvalidForeignError(product, [Problem(pointer, "Expected an object.", expected="an object")])
    return document


def _find_workflow(workspace: Workspace, user: User, name: str) -> str | None:
    found = Workflow.objects.visible_to(user).filter(workspace=workspace, name=name).values_list("pk", flat=True).first()
    return str(found) if found is not None else None


def _called_first(documents: list[Any]) -> list[int]:
    """Indexes of the workflows, those that others call by name before these; in a circle as they stand."""
    named = {each["name"]: index for index, each in enumerate(documents) if isinstance(each, Mapping) and isinstance(each.get("name"), str)}
    waiting = {index: {named[name] for name in _calls(each) if name in named} - {index} for index, each in enumerate(documents)}
    ordered: list[int] = []
    while waiting:
        ready = [index for index, calls in waiting.items() if not calls & waiting.keys()] or list(waiting)
        ordered += ready
        waiting = {index: calls for index, calls in waiting.items() if index not in ready}
    return ordered


def _calls(document: Any) -> list[str]:
    """Names of the workflows that a workflow of n8n calls."""
    nodes = document.get("nodes") if isinstance(document, Mapping) else None
    found = (
        [each.get("parameters") for each in nodes if isinstance(each, Mapping) and each.get("type") == _CALLS]
        if isinstance(nodes, list)
        else []
    )
    called = [each.get("workflowId") for each in found if isinstance(each, Mapping)]
    return [each["cachedResultName"] for each in called if isinstance(each, Mapping) and isinstance(each.get("cachedResultName"), str)]


def _stored(workspace: Workspace, read: tuple[dict[str, Any], Report], on_conflict: OnConflict, created_by: User, publish: bool) -> Brought:
    definition, report = read
    version = ExportedVersion(changelog=report.as_text(), definition=definition)
    workflow = ExportedWorkflow(name=definition["name"], description=definition["description"], versions=(version,))
    export = Export(structforge=1, kind="workflow", workflows=(workflow,))
    (imported,) = import_workflows(workspace=workspace, export=export, on_conflict=on_conflict, created_by=created_by, publish=publish)
    return Brought(imported, report)
