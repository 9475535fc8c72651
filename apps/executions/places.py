"""Claiming of node runs in several iterations at once: places of one execution, each a key and a path."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID, uuid4

from apps.executions.connection import fetch_repeating
from apps.executions.protocol import CLAIM_IN_LOOP, LEASE_SECONDS, Around, Claim, Upstream, claim_of

Place = tuple[str, str]
"""Key and path of a node run."""

_ONE_ITEM = CLAIM_IN_LOOP[CLAIM_IN_LOOP.rindex("(select jsonb_build_object('item'") : CLAIM_IN_LOOP.rindex(" as around")]
# The items of a loop are unpacked once for all of its iterations that were claimed, and no others leave the database.
_ITEMS = """(
           select jsonb_agg(jsonb_build_array(l.key, l.path, w.indexes, jsonb_path_query_array(l.items, w.subscripts), l.blocks, l.asks))
             from (select p.loop, p.loop_path, jsonb_agg(p.index) as indexes,
                          ('$[' || string_agg(p.index::text, ',') || ']')::jsonpath as subscripts
                     from claimed c
                     join unnest(%(keys)s::text[], %(paths)s::text[], %(loops)s::text[], %(loop_paths)s::text[], %(indexes)s::int[])
                          as p(key, path, loop, loop_path, index) on p.key = c.key and p.path = c.path
                    where p.loop is not null group by p.loop, p.loop_path) w
             join loop_run l on l.execution_id = %(execution)s and l.key = w.loop and l.path = w.loop_path)"""
_JOINED = """join node_run u on u.execution_id = %(execution)s and u.key = r.key and u.path = r.path
         where u.status in ('success', 'failed', 'skipped'))"""
# Each by the key of the table: without statistics the planner would compare all that is read with all node runs of the execution.
_LOOKED_UP = """cross join lateral (
               select n.* from node_run n where n.execution_id = %(execution)s and n.key = r.key and n.path = r.path offset 0) u
         where u.status in ('success', 'failed', 'skipped'))"""
assert _JOINED in CLAIM_IN_LOOP
_CLAIM_PLACES = (
    CLAIM_IN_LOOP.replace(
        "unnest(%(keys)s::text[], %(tokens)s::uuid[]) as c(key, token)",
        "unnest(%(keys)s::text[], %(paths)s::text[], %(tokens)s::uuid[]) as c(key, path, token)",
    )
    .replace("n.path = %(path)s", "n.path = c.path")
    .replace("jsonb_object_agg(u.key, jsonb_build_array(u.status,", "jsonb_agg(jsonb_build_array(u.key, u.path, u.status,")
    .replace(_JOINED, _LOOKED_UP)
    .replace(_ONE_ITEM, _ITEMS)
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A node run that is to be claimed.

    loop    key of the loop around it, None outside
    index   number of its iteration, 0 outside
    reads   places whose outputs come along
    """

    key: str
    path: str
    loop: str | None
    index: int
    reads: Sequence[Place]


def claim_places(*, execution_id: UUID, wanted: Sequence[Wanted], worker: str) -> list[Claim]:
    """Take queued node runs of one execution: a claim for each that was free, with what it reads and its item.

    None is, where the execution does not run. `wanted` names each place once.
    """
    reads = sorted({read for one in wanted for read in one.reads})
    rows = fetch_repeating(
        _CLAIM_PLACES,
        {
            "execution": execution_id,
            "keys": [one.key for one in wanted],
            "paths": [one.path for one in wanted],
            "tokens": [uuid4() for _ in wanted],
            "worker": worker,
            "reads": [key for key, _ in reads],
            "read_paths": [path for _, path in reads],
            "loops": [one.loop for one in wanted],
            "loop_paths": [one.path.rpartition(".")[0] for one in wanted],
            "indexes": [one.index for one in wanted],
            "wants_input": True,
            "begins_effect": False,
        },
        give_up_after_seconds=LEASE_SECONDS / 2,
    )
    return _claims(execution_id, wanted, rows[0]) if rows else []


def _claims(execution_id: UUID, wanted: Iterable[Wanted], row: Mapping[str, Any]) -> list[Claim]:
    """A claim for each claimed node run, from the one row of them all."""
    whole = claim_of(execution_id, {**row, "upstream": None, "around": None})
    runs = {(run.key, run.path): run for run in whole.runs}
    upstream = {(key, path): Upstream(*values) for key, path, *values in row["upstream"] or ()}
    arounds = _arounds(row["around"] or ())
    return [
        replace(
            whole,
            runs=(runs[one.key, one.path],),
            upstream={read[0]: upstream[read] for read in one.reads if read in upstream},
            around=None if one.loop is None else arounds.get((one.loop, one.path)),
        )
        for one in wanted
        if (one.key, one.path) in runs
    ]


def _arounds(rows: Iterable[Sequence[Any]]) -> dict[Place, Around]:
    """{key of a loop and path of an iteration: what that is about}. Of a loop that keeps its items elsewhere, `items` is empty."""
    return {
        (key, f"{path}.{index}" if path else str(index)): Around(items[position] if items else None, blocks, asks)
        for key, path, indexes, items, blocks, asks in rows
        for position, index in enumerate(indexes)
    }
