"""Re-runs in the model: what failed or was stopped goes on in a new execution, and so does what is chosen of one that ended well."""

from typing import Any
from uuid import UUID

import orjson

from apps.core.ids import uuid7
from apps.engine.planner import Settled
from apps.engine.rerun_places import Place, Wish
from apps.engine.rerun_tree import RerunTree, plan_tree
from apps.engine.reruns import Compiled, NothingToRerunError
from apps.engine.statuses import NodeRunStatus
from apps.executions.connection import fetch
from apps.executions.rerun_documents import gates_of, loops_document
from apps.executions.rerun_source import EndedLoops

TABLES = ("node_run", "iteration", "loop_run", "gate", "execution_event")
_STATEMENT = """
select * from rerun_v1(%(old)s, %(new)s::jsonb, %(reused)s::jsonb, %(skipped)s::jsonb, %(gates)s::jsonb, %(ready)s::jsonb, %(loops)s::jsonb,
                       %(due)s::interval)
"""


def plan_again(version: Compiled, old: UUID, chosen: Place | None) -> RerunTree | None:
    """The plan of a re-run from a place, or from where it failed; None where nothing is left to run."""
    rows = fetch("select key, status, port from node_run where execution_id = %(e)s and path = ''", {"e": old})
    ends = {row["key"]: Settled(NodeRunStatus(row["status"]), row["port"]) for row in rows}
    wish = Wish(version.graph, is_from_failed=chosen is None)
    if chosen is not None:
        wish.run_node(chosen)
    try:
        return plan_tree(version, version, ends, EndedLoops(old, version.graph), wish)
    except NothingToRerunError:  # asked to stop, it had done all by then
        assert chosen is None
        return None


def run_again(version: Compiled, old: UUID, version_id: UUID, tree: RerunTree, *, due: str) -> UUID:
    """Make the new execution; the old one stays as it is."""
    graph, new = version.graph, uuid7()
    places = {key: {"key": key, "queue": "default", "lost": node.traits.on_worker_lost} for key, node in graph.nodes.items()}
    documents: dict[str, Any] = {
        "new": {"id": new, "version": version_id, "input": {}, "variables": {}, "trigger": "rerun", "priority": "normal"},
        "reused": [{"key": key} for key in tree.outer.reused],
        "skipped": [places[key] for key in tree.outer.frontier.skipped],
        "gates": gates_of(graph, tree.outer.frontier),
        "ready": [places[key] for key in tree.outer.frontier.ready],
        "loops": loops_document(graph, tree),
    }
    before = stored(old)
    made = fetch(_STATEMENT, {"old": old, "due": due, **{name: orjson.dumps(document).decode() for name, document in documents.items()}})
    assert made == [{"execution_id": new, "is_new": True, "is_limited": False}]
    assert stored(old) == before
    return new


def stored(execution: UUID) -> list[Any]:
    return [fetch(f"select to_jsonb(t) as row from {table} t where execution_id = %(e)s order by id", {"e": execution}) for table in TABLES]


def chosen_of(execution: UUID, number: int) -> Place | None:
    """One of the node runs that ended well, in loops or not."""
    rows = fetch(
        "select key, path from node_run where execution_id = %(e)s and status = 'success' and key not like '$%%' order by key, path",
        {"e": execution},
    )
    return Place(**rows[number % len(rows)]) if rows else None


def loops_are_whole(execution: UUID) -> None:
    """Loops that ended well have all of their iterations, and each of them has ended."""
    loops = fetch(
        """
        select l.total, l.succeeded + l.failed as counted, count(i.id) as found,
               count(i.id) filter (where i.status in ('success', 'failed')) as ended
          from loop_run l
          join node_run n using (execution_id, key, path)
          left join iteration i on i.execution_id = l.execution_id and i.key = l.key and i.loop_path = l.path
         where l.execution_id = %(e)s and n.status = 'success'
         group by l.id
        """,
        {"e": execution},
    )
    assert all(loop["total"] == loop["found"] == loop["ended"] == loop["counted"] for loop in loops), loops
