"""Two executions side by side: the first node where they part, and what differs from node to node. They may be of different versions."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

import orjson
from django.db import connection

from apps.engine.changes.values import MISSING, FieldChange, field_changes
from apps.engine.reruns import Compiled
from apps.executions.models import Execution, NodeRun
from apps.executions.versions import compiled_version

Changes = tuple[dict[str, Any], ...]

MAX_ROWS = 10_000  # node runs that are looked at
MAX_NODES = 500  # node runs in one answer
MAX_DETAILED = 50  # node runs whose inputs and outputs are compared place by place
MAX_CHANGES = 20  # places of one value
MAX_SHOWN_BYTES = 500  # of one value in a change

# Those that differ first: where there are too many to look at, these count.
_ROWS = """
    select * from (
        select coalesce(l.key, r.key), coalesce(l.path, r.path), l.id as left_id, r.id as right_id,
               l.status is not distinct from r.status and l.port is not distinct from r.port as is_same_end,
               l.input is not distinct from r.input as is_same_input,
               l.output is not distinct from r.output and l.output_ref is not distinct from r.output_ref as is_same_output
          from (select * from node_run where execution_id = %s) l
          full join (select * from node_run where execution_id = %s) r on r.key = l.key and r.path = l.path) n
     order by is_same_end and is_same_input and is_same_output, coalesce(left_id, right_id) limit %s
"""


@dataclass(frozen=True, slots=True)
class NodeDifference:
    """One node in both executions; `left` or `right` is None where it has no run there.

    differs         status, port, input or output are not the same
    input, output   places at which they differ, as far as they were looked at
    """

    key: str
    path: str
    left: NodeRun | None
    right: NodeRun | None
    differs: bool
    input: Changes
    output: Changes


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two executions.

    parts_at       (key, path) of the first node, in topological order, that differs; None where none does
    nodes          in topological order: all of them where they are few, else those that differ
    is_truncated   there are more node runs than were looked at, or shown
    """

    left: Execution
    right: Execution
    parts_at: tuple[str, str] | None
    input: Changes
    output: Changes
    nodes: tuple[NodeDifference, ...]
    is_truncated: bool


@dataclass(frozen=True, slots=True)
class _Row:
    key: str
    path: str
    left: int | None
    right: int | None
    is_same_end: bool
    is_same_input: bool
    is_same_output: bool

    @property
    def differs(self) -> bool:
        return not (self.is_same_end and self.is_same_input and self.is_same_output)


def compare_executions(left: Execution, right: Execution) -> Comparison:
    """Compare two executions that the caller may see; four queries, whatever their size. Raises VersionGoneError."""
    rank = _ranks(compiled_version(left.version_id), compiled_version(right.version_id))
    rows = sorted(_rows(left, right), key=lambda row: (rank.get(row.key, len(rank)), _item(row.path), row.key))
    differing = [row for row in rows if row.differs]
    shown = rows if len(rows) <= MAX_NODES else differing[:MAX_NODES]
    runs = _runs(shown)
    details = _details(differing[:MAX_DETAILED])
    return Comparison(
        left=left,
        right=right,
        parts_at=(differing[0].key, differing[0].path) if differing else None,
        input=changes_between(left.input, right.input),
        output=_output_changes((left.output, left.output_ref), (right.output, right.output_ref)),
        nodes=tuple(_difference(row, runs, details) for row in shown),
        is_truncated=len(rows) == MAX_ROWS or len(shown) < len(differing),
    )


def changes_between(left: Any, right: Any) -> Changes:
    """The first MAX_CHANGES places at which they differ; a side that has nothing there is left out.

    [{"pointer": str, "left": any, "right": any, "is_shortened": bool}]
    """
    return tuple(_shown(change) for change in islice(field_changes(left, right), MAX_CHANGES))


def _rows(left: Execution, right: Execution) -> list[_Row]:
    with connection.cursor() as cursor:
        cursor.execute(_ROWS, [left.pk, right.pk, MAX_ROWS])
        return [_Row(*row) for row in cursor.fetchall()]


def _ranks(left: Compiled, right: Compiled) -> dict[str, float]:
    """{key: place} in the topological order of the left version; what only the right one has comes after what leads to it there."""
    ranks: dict[str, float] = {key: float(place) for place, key in enumerate(left.graph.nodes)}
    for key, node in right.graph.nodes.items():
        ranks.setdefault(key, max((ranks[one] for one in node.predecessors), default=-1.0) + 0.5)
    return ranks


def _item(path: str) -> tuple[int, ...]:
    return tuple(int(part) if part.isdigit() else 0 for part in path.split(".")) if path else ()


def _runs(rows: list[_Row]) -> Mapping[int, NodeRun]:
    wanted = [each for row in rows for each in (row.left, row.right) if each is not None]
    shown = ("key", "path", "status", "port", "attempt", "started_at", "finished_at", "origin", "error")
    return NodeRun.objects.only(*shown).in_bulk(wanted)


def _details(rows: list[_Row]) -> Mapping[int, NodeRun]:
    wanted = [each for row in rows for each in (row.left, row.right) if each is not None]
    return NodeRun.objects.only("input", "output", "output_ref").in_bulk(wanted)


def _difference(row: _Row, runs: Mapping[int, NodeRun], details: Mapping[int, NodeRun]) -> NodeDifference:
    left, right = (None if each is None else details.get(each) for each in (row.left, row.right))
    input_changes, output_changes = ((), ()) if left is None or right is None else _changes(left, right)
    return NodeDifference(
        key=row.key,
        path=row.path,
        left=None if row.left is None else runs[row.left],
        right=None if row.right is None else runs[row.right],
        differs=row.differs,
        input=input_changes,
        output=output_changes,
    )


def _changes(left: NodeRun, right: NodeRun) -> tuple[Changes, Changes]:
    """Of input and output."""
    return (
        changes_between(left.input, right.input),
        _output_changes((left.output, left.output_ref), (right.output, right.output_ref)),
    )


def _output_changes(left: tuple[Any, str | None], right: tuple[Any, str | None]) -> Changes:
    """As `changes_between`; large outputs, which the object store keeps under the hash of their content, are only told apart."""
    if left[1] is None and right[1] is None:
        return changes_between(left[0], right[0])
    return () if left == right else ({"pointer": "", "is_shortened": True},)


def _shown(change: FieldChange) -> dict[str, Any]:
    sides = {name: value for name, value in (("left", change.old), ("right", change.new)) if value is not MISSING}
    shortened = dict(_shortened(sides))
    return {"pointer": change.pointer, **sides, **shortened, "is_shortened": bool(shortened)}


def _shortened(sides: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """(side, the beginning of its JSON text) of values that are too long to be shown."""
    for name, value in sides.items():
        text = orjson.dumps(value)
        if len(text) > MAX_SHOWN_BYTES:
            yield name, text[:MAX_SHOWN_BYTES].decode(errors="ignore") + "…"
