"""Workflows out."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from django.db.models import Count, Sum, TextField
from django.db.models.functions import Cast, Coalesce, Length

from apps.engine.errors import InvalidError
from apps.workflows.exchange.document import FORMAT, MAX_VERSIONS
from apps.workflows.models import Workflow, WorkflowVersion, WorkflowVersionQuerySet

MAX_CHARACTERS = 50_000_000


class ExportTooLargeError(InvalidError):
    """All the versions asked for are more than one document should hold; details: {"max_characters"} or {"max_versions"}."""

    code = "export_too_large"


def export_workflows(workflows: Sequence[Workflow], *, kind: str, every_version: bool) -> dict[str, Any]:
    """The export of workflows that the caller may read, in their order; see `exchange.document`. Raises ExportTooLargeError."""
    found = _versions([workflow.pk for workflow in workflows], every_version=every_version)
    _check_size(found)
    versions: dict[UUID, list[dict[str, Any]]] = defaultdict(list)
    for version in found:
        versions[version.workflow_id].append({"changelog": version.changelog, "definition": without_credentials(version.definition)})
    exported = [{"name": each.name, "description": each.description, "versions": versions[each.pk]} for each in workflows]
    return {"structforge": FORMAT, "kind": kind, "workflows": exported}


def without_credentials(definition: Mapping[str, Any]) -> dict[str, Any]:
    """The definition with null for each credential that a node names: ids mean nothing elsewhere, and tell what there is here."""
    return {**definition, "nodes": [_without_credentials(node) for node in definition.get("nodes", ())]}


def _without_credentials(node: Any) -> Any:
    if not isinstance(node, Mapping) or not isinstance(node.get("credentials"), Mapping):
        return node
    return {**node, "credentials": dict.fromkeys(node["credentials"])}


def _versions(workflow_ids: Sequence[UUID], *, every_version: bool) -> WorkflowVersionQuerySet:
    found = WorkflowVersion.objects.filter(workflow_id__in=workflow_ids).order_by("workflow_id", "number")
    newest = WorkflowVersion.objects.filter(workflow_id__in=workflow_ids).order_by("workflow_id", "-number").distinct("workflow_id")
    chosen = found if every_version else found.filter(pk__in=newest.values("pk"))
    return chosen.only("workflow_id", "changelog", "definition")


def _check_size(versions: WorkflowVersionQuerySet) -> None:
    """Refuse before anything is read."""
    size = Coalesce(Sum(Length(Cast("definition", TextField()))), 0)
    count, characters = versions.order_by().aggregate(count=Count("pk"), characters=size).values()
    if characters > MAX_CHARACTERS:
        message = f"Expected at most {MAX_CHARACTERS} characters, found {characters}. Export the newest versions alone, or fewer workflows."
        raise ExportTooLargeError(message, max_characters=MAX_CHARACTERS)
    if count > MAX_VERSIONS:
        raise ExportTooLargeError(f"Expected at most {MAX_VERSIONS} versions, found {count}. Export fewer.", max_versions=MAX_VERSIONS)
