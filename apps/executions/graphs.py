"""Compiled graphs of versions, for this process."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any
from uuid import UUID

from apps.engine.compensation import undo_graph
from apps.engine.graph import Graph
from apps.executions.connection import fetch_repeating
from apps.workflows.compiled import GraphCache

# The trigger of executions that undo another.
COMPENSATION = "compensation"


class UnknownVersionError(LookupError):
    """A message or row names a version that does not exist."""


def _load(version_id: UUID) -> Any:
    rows = fetch_repeating("select definition from workflow_version where id = %(version)s", {"version": version_id})
    if not rows:
        raise UnknownVersionError(f"There is no version {version_id}.")
    return rows[0]["definition"]


graphs = GraphCache(_load)


def graph_of(execution_id: UUID, version_id: UUID, trigger: str) -> Graph:
    """The graph that an execution runs: that of its version, or of what it takes back from another execution."""
    graph = graphs.get(version_id)
    return undo_graph(graph, _undo_order(execution_id)) if trigger == COMPENSATION else graph


@lru_cache(256)
def _undo_order(execution_id: UUID) -> Sequence[str]:
    statement = "select plan from execution_follow_up where execution_id = %(execution)s"
    plan: list[str] = fetch_repeating(statement, {"execution": execution_id})[0]["plan"]
    return plan
