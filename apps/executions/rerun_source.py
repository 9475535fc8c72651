"""What is stored of the loops of an ended execution, for the plan of a re-run: many levels at once."""

from collections import defaultdict
from collections.abc import Collection, Mapping
from typing import Any
from uuid import UUID

from django.db import connection

from apps.engine.graph import Graph
from apps.engine.planner import Settled
from apps.engine.rerun_tree import LoopEnd
from apps.engine.statuses import NodeRunStatus

_ENDS = """
select n.path, n.key, n.status, n.port, n.started_at is not null and n.status <> 'skipped' as has_run
  from node_run n where n.execution_id = %s and n.key = any (%s) and n.path = any (%s)
"""
_LOOPS = """
select l.path, l.total, l.next_index, l.collects, l.asks from loop_run l where l.execution_id = %s and l.key = %s and l.path = any (%s)
"""
_LEFT = """
select i.loop_path, i.index, i.status from iteration i
 where i.execution_id = %s and i.key = %s and i.loop_path = any (%s) and i.status <> 'success' order by i.loop_path, i.index
"""
_HAVE_RUN = """
select distinct n.key from node_run n where n.execution_id = %s and n.path <> '' and n.started_at is not null and n.status <> 'skipped'
"""


class EndedLoops:
    """The loops of one execution, as `plan_tree` asks for them. `have_run` are places of the levels asked for whose run had begun."""

    def __init__(self, execution_id: UUID, graph: Graph) -> None:
        self._execution_id, self._graph = execution_id, graph
        self.have_run: set[tuple[str, str]] = set()

    def ends(self, loop: str, paths: Collection[str]) -> Mapping[str, Mapping[str, Settled]]:
        found: defaultdict[str, dict[str, Settled]] = defaultdict(dict)
        for path, key, status, port, has_run in self._rows(_ENDS, list(self._graph.loops[loop].body), list(paths)):
            found[path][key] = Settled(NodeRunStatus(status), port)
            if has_run:
                self.have_run.add((key, path))
        return found

    def loops(self, key: str, paths: Collection[str]) -> Mapping[str, LoopEnd]:
        left: defaultdict[str, dict[int, str]] = defaultdict(dict)
        for path, index, status in self._rows(_LEFT, key, list(paths)):
            left[path][index] = status
        rows = self._rows(_LOOPS, key, list(paths))
        return {path: LoopEnd(total, begun, collects, asks, left[path]) for path, total, begun, collects, asks in rows}

    def keys_that_have_run(self) -> frozenset[str]:
        """Keys of nodes in loops that had begun in any iteration."""
        return frozenset(key for (key,) in self._rows(_HAVE_RUN))

    def _rows(self, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
        with connection.cursor() as cursor:
            cursor.execute(statement, [self._execution_id, *parameters])
            rows: list[tuple[Any, ...]] = cursor.fetchall()
        return rows
