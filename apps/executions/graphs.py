"""Compiled graphs of versions, for this process."""

from typing import Any
from uuid import UUID

from apps.executions.connection import fetch_repeating
from apps.workflows.compiled import GraphCache


class UnknownVersionError(LookupError):
    """A message or row names a version that does not exist."""


def _load(version_id: UUID) -> Any:
    rows = fetch_repeating("select definition from workflow_version where id = %(version)s", {"version": version_id})
    if not rows:
        raise UnknownVersionError(f"There is no version {version_id}.")
    return rows[0]["definition"]


graphs = GraphCache(_load)
