"""The engine's statements. Each is one round trip and one commit, and is fenced or idempotent, so that it may be repeated.

Nothing else writes the status of an execution or a node run. The SQL functions and their shapes are in `sql/`.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any
from uuid import UUID

import orjson
import psycopg

from apps.core.quotas import refusal_in
from apps.executions.connection import fetch, fetch_repeating

LEASE_SECONDS = float(os.environ.get("ENGINE_LEASE_SECONDS", "30"))
DUE_SECONDS = float(os.environ.get("ENGINE_DUE_SECONDS", "15"))
MAX_LOSSES = 3
CANCEL_GRACE_SECONDS = float(os.environ.get("ENGINE_CANCEL_GRACE_SECONDS", "30"))
INLINE_LIMIT_BYTES = 64 * 1024
MAX_OUTPUT_BYTES = 50 * 1024 * 1024

_DUE = f"interval '{DUE_SECONDS} s'"
_LEASE = f"interval '{LEASE_SECONDS} s'"


@dataclass(frozen=True, slots=True)
class Ready:
    """A queued node run that a message should point at.

    is_brief   it is known to end within milliseconds, so that its message may name other executions too
    """

    execution_id: UUID
    version_id: UUID
    key: str
    path: str
    queue: str
    priority: str
    is_brief: bool = False


@dataclass(frozen=True, slots=True)
class LoopState:
    """How far a loop has come: the columns of its row.

    pending      iterations of a re-run that are to go on where they stood
    failure      {"path": str, "error": {}} of the iteration that ends the loop as failed
    is_over      its timeout_seconds are over
    items        of a loop over a few items; `blocks` of one over many: [[first index, reference], …]
    deadline_at  an instant in ISO 8601, None without a limit
    """

    total: int
    next_index: int
    running: int
    pending: int
    parallel: int
    collects: bool
    asks: bool
    failure: Mapping[str, Any] | None
    is_over: bool | None
    items: Sequence[Any] | None
    blocks: Sequence[Any] | None
    deadline_at: str | None


@dataclass(frozen=True, slots=True)
class Around:
    """What the iteration around a node run is about.

    item     its item, None where `blocks` have it; of a loop that `asks` it is the output of the iteration before
    """

    item: Any
    blocks: Sequence[Any] | None
    asks: bool


@dataclass(frozen=True, slots=True)
class ClaimedRun:
    """One node run that this worker holds.

    losses      times that a worker was lost in it
    gate_live   live in-edges, for a join that waited for several; None for other nodes
    deferred    {"state": any, "signal": any} of a node that waited, None on a first run
    loop        of a loop that has begun
    """

    key: str
    path: str
    token: UUID
    attempt: int
    losses: int
    revision: int
    gate_live: int | None
    deferred: Mapping[str, Any] | None
    loop: LoopState | None = None


@dataclass(frozen=True, slots=True)
class Upstream:
    """The stored output of a settled node run; `ref` is set where the object store holds it."""

    status: str
    port: str | None
    output: Any
    ref: str | None


@dataclass(frozen=True, slots=True)
class Claim:
    """What a claim found: the node runs, and what they need of their execution.

    input    None unless it was asked for
    around   None outside loops
    is_limited   a limit on executions at a time concerns it: its end may let another one in
    holds   keys of nodes that are held, though these were not; what rides along must not begin either
    breakpoints   of a test run, as the column of the execution has them
    depth   executions that led to this one
    """

    execution_id: UUID
    workspace_id: UUID
    workflow_id: UUID
    version_id: UUID
    priority: str
    trigger: str
    business_key: str
    input: Any
    variables: Mapping[str, Any]
    created_at: str
    runs: tuple[ClaimedRun, ...]
    upstream: Mapping[str, Upstream]
    around: Around | None = None
    is_limited: bool = False
    holds: frozenset[str] = frozenset()
    breakpoints: Mapping[str, Any] | None = None
    depth: int = 0


_CLAIM = f"""
with holds as materialized (
    select h.node_key from hold h, execution e
     where e.id = %(execution)s and h.released_at is null
       and (h.workspace_id is null or h.workspace_id = e.workspace_id) and (h.workflow_id is null or h.workflow_id = e.workflow_id)
), claimed as (
    update node_run n
       set status = 'running', claim_token = c.token, lease_until = clock_timestamp() + {_LEASE}, started_at = clock_timestamp(),
           worker = %(worker)s, due_at = null, held_by_id = null, revision = n.revision + 1,
           effect_started_at = case when %(begins_effect)s then clock_timestamp() end
      from unnest(%(keys)s::text[], %(tokens)s::uuid[]) as c(key, token), execution e
     where n.execution_id = %(execution)s and n.key = c.key and n.path = %(path)s
       and (n.status = 'queued' or n.status = 'running' and n.claim_token = c.token) and n.stop_requested_at is null
       and e.id = %(execution)s and e.status = 'running'
       and not exists (select from holds h where h.node_key in ('', n.key))
    returning n.key, n.path, n.claim_token, n.attempt, n.losses, n.revision, n.deferred
)
select e.workspace_id, e.workflow_id, e.version_id, e.priority, e.trigger, e.business_key, e.variables, e.created_at::text, e.is_limited,
       case when %(wants_input)s then e.input end as input, (select array_agg(h.node_key) from holds h) as holds,
       e.breakpoints, e.depth,
       -- A claim without an effect need not survive a crash of the database: its random token makes the settle of a lost claim fail.
       case when not %(begins_effect)s then set_config('synchronous_commit', 'off', true) end,
       (select jsonb_agg(to_jsonb(c) || jsonb_build_object('live', (
                   select g.live from gate g where g.execution_id = %(execution)s and g.key = c.key and g.path = c.path)))
          from claimed c) as runs,
       (select jsonb_object_agg(u.key, jsonb_build_array(u.status, u.port, u.output, u.output_ref))
          from unnest(%(reads)s::text[]) as r(key)
          join node_run u on u.execution_id = %(execution)s and u.key = r.key and u.path = ''
         where u.status in ('success', 'failed', 'skipped')) as upstream
  from execution e where e.id = %(execution)s and exists (select from claimed)
"""

# In a loop, or of a loop: the outputs of each level, the item, and how far loops have come.
CLAIM_IN_LOOP = (
    _CLAIM.replace("unnest(%(reads)s::text[]) as r(key)", "unnest(%(reads)s::text[], %(read_paths)s::text[]) as r(key, path)")
    .replace("u.path = ''", "u.path = r.path")
    .replace(
        "and g.path = c.path)))",
        """and g.path = c.path), 'loop', (
                   select to_jsonb(l) || jsonb_build_object('is_over', l.deadline_at <= clock_timestamp())
                     from loop_run l where l.execution_id = %(execution)s and l.key = c.key and l.path = c.path)))""",
    )
    .replace(
        "as upstream",
        """as upstream,
       (select jsonb_build_object('item', l.items -> %(index)s, 'blocks', l.blocks, 'asks', l.asks)
          from loop_run l where l.execution_id = %(execution)s and l.key = %(loop)s and l.path = %(loop_path)s) as around""",
    )
)

_READ = """
select u.key, u.status, u.port, u.output, u.output_ref from unnest(%(keys)s::text[], %(paths)s::text[]) as r(key, path)
  join node_run u on u.execution_id = %(execution)s and u.key = r.key and u.path = r.path
 where u.status in ('success', 'failed', 'skipped')
"""

_RENEW = f"""
with held as (
    select * from unnest(%(executions)s::uuid[], %(keys)s::text[], %(paths)s::text[], %(tokens)s::uuid[]) as h(execution, key, path, token)
),
renewed as (
    update node_run n set lease_until = clock_timestamp() + {_LEASE} from held h
     where n.execution_id = h.execution and n.key = h.key and n.path = h.path and n.claim_token = h.token and n.status = 'running'
    returning n.claim_token, n.stop_requested_at
)
select h.token, r.claim_token is null as is_lost, e.status = 'cancelling' or r.stop_requested_at is not null as is_cancelled,
       (select array_agg(o.node_key) from hold o
         where o.released_at is null
           and (o.workspace_id is null or o.workspace_id = e.workspace_id)
           and (o.workflow_id is null or o.workflow_id = e.workflow_id)) as holds
  from held h left join renewed r on r.claim_token = h.token left join execution e on e.id = h.execution
"""

_BEGIN_EFFECT = """
update node_run n set effect_started_at = clock_timestamp()
 where n.execution_id = %(execution)s and n.key = %(key)s and n.path = %(path)s and n.claim_token = %(token)s and n.status = 'running'
returning 1 as held
"""

_LAPSE = """
update node_run n set lease_until = clock_timestamp(), losses = n.losses - %(forgive)s
 where n.status = 'running' and n.worker = any(%(workers)s) and n.lease_until > clock_timestamp()
returning n.key
"""


def claim(
    *,
    execution_id: UUID,
    keys: Sequence[str],
    tokens: Sequence[UUID],
    path: str,
    worker: str,
    reads: Sequence[str],
    wants_input: bool,
    begins_effect: bool = False,
    read_paths: Sequence[str] | None = None,
    loop: str | None = None,
) -> Claim | None:
    """Take queued node runs of one execution; None when all are somebody else's, or the execution does not run.

    tokens   fresh random UUIDs, one for each key: the fence of everything written about the claim later
    reads    keys of node runs whose outputs come along
    begins_effect   the effect follows at once, as if `begin_effect` had been called
    read_paths      paths of those node runs; None: none of them, nor of `keys`, is a loop or in one
    loop            key of the loop around the node runs, None outside
    """
    in_loop = {} if read_paths is None else {"read_paths": list(read_paths), "loop": loop, **_iteration(path)}
    rows = fetch_repeating(
        _CLAIM if read_paths is None else CLAIM_IN_LOOP,
        {
            **in_loop,
            "execution": execution_id,
            "keys": list(keys),
            "tokens": list(tokens),
            "path": path,
            "worker": worker,
            "reads": list(reads),
            "wants_input": wants_input,
            "begins_effect": begins_effect,
        },
        give_up_after_seconds=LEASE_SECONDS / 2,
    )
    return claim_of(execution_id, rows[0]) if rows else None


def claim_of(execution_id: UUID, row: Mapping[str, Any]) -> Claim:
    """A claim from the row of its statement."""
    runs = tuple(
        ClaimedRun(
            key=run["key"],
            path=run["path"],
            token=UUID(run["claim_token"]),
            attempt=run["attempt"],
            losses=run["losses"],
            revision=run["revision"],
            gate_live=run["live"],
            deferred=run["deferred"],
            loop=_loop_state(run.get("loop")),
        )
        for run in row["runs"]
    )
    upstream = {key: Upstream(*values) for key, values in (row["upstream"] or {}).items()}
    names = ("workspace_id", "workflow_id", "version_id", "priority", "trigger", "business_key", "variables", "is_limited")
    shared = {name: row[name] for name in (*names, "breakpoints", "depth")}
    around = Around(**row["around"]) if row.get("around") else None
    return Claim(
        execution_id=execution_id,
        input=row["input"],
        created_at=row["created_at"],
        runs=runs,
        upstream=upstream,
        around=around,
        holds=frozenset(row["holds"] or ()),
        **shared,
    )


def _iteration(path: str) -> dict[str, Any]:
    """The loop around a path, and the number of the iteration."""
    loop_path, _, index = path.rpartition(".")
    return {"loop_path": loop_path, "index": int(index or 0)}


def _loop_state(row: Mapping[str, Any] | None) -> LoopState | None:
    return None if row is None else LoopState(**{name.name: row[name.name] for name in fields(LoopState)})


def read_outputs(*, execution_id: UUID, places: Mapping[str, str]) -> dict[str, Upstream]:
    """Outputs of settled node runs, by key. `places`: {key: path}."""
    rows = fetch_repeating(_READ, {"execution": execution_id, "keys": list(places), "paths": list(places.values())})
    return {row["key"]: Upstream(row["status"], row["port"], row["output"], row["output_ref"]) for row in rows}


def read_workflow_variables(*, workflow_id: UUID) -> dict[str, Any]:
    """Variables of a workflow, by name."""
    rows = fetch_repeating("select name, value from workflow_variable where workflow_id = %(workflow)s", {"workflow": workflow_id})
    return {row["name"]: row["value"] for row in rows}


def begin_effect(*, execution_id: UUID, run: ClaimedRun) -> bool:
    """Record that the effect is about to happen; False when the claim is lost, and then it must not happen."""
    return bool(fetch_repeating(_BEGIN_EFFECT, {"execution": execution_id, "key": run.key, "path": run.path, "token": run.token}))


def settle(*, execution_id: UUID, settlements: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Record how claimed node runs ended and queue what follows; shapes in `sql/settle_v3.sql`.

    Raises QuotaExceededError where there is no room for a child of one of them; nothing is written then.
    """
    document = orjson.dumps(settlements).decode()
    # Whoever leaves nothing behind for later executions pays nothing for it.
    function = "settle_keeping_v2" if any("workflow_variables" in one for one in settlements) else "settle_v3"
    statement = f"select {function}(%(execution)s, {_DUE}, %(document)s::jsonb) as result"
    try:
        result: dict[str, Any] = call_repeating(statement, execution=execution_id, document=document)
    except psycopg.Error as error:
        if (refusal := refusal_in(error)) is None:
            raise
        raise refusal from error
    return result


def ready_in(result: Mapping[str, Any], *, execution_id: UUID, version_id: UUID) -> list[Ready]:
    """What a settlement or a resume made ready."""
    return [Ready(execution_id, version_id, row["key"], row["path"], row["queue"], result["priority"]) for row in result["ready"]]


def renew(*, held: Sequence[tuple[UUID, ClaimedRun]]) -> list[dict[str, Any]]:
    """Renew leases: [{"token", "is_lost", "is_cancelled", "holds"}], one for each claim; `holds` as in a claim, "" for every node."""
    return fetch(
        _RENEW,
        {
            "executions": [execution_id for execution_id, _ in held],
            "keys": [run.key for _, run in held],
            "paths": [run.path for _, run in held],
            "tokens": [run.token for _, run in held],
        },
    )


def lapse(*, workers: Sequence[str], forgive: bool = False) -> int:
    """Let the leases of dead worker processes lapse now, for the sweepers to rescue; `forgive` keeps it from counting as a loss."""
    return len(fetch(_LAPSE, {"workers": list(workers), "forgive": int(forgive)}))


def running_workers(*, host: str) -> list[str]:
    """Labels of the worker processes of this host that hold node runs."""
    statement = "select distinct worker from node_run where status = 'running' and worker like %(host)s"
    return [row["worker"] for row in fetch(statement, {"host": f"{host}:%"})]


def call(statement: str, **parameters: Any) -> Any:
    """Result of a statement that selects one value named `result`."""
    return fetch(statement, parameters)[0]["result"]


def call_repeating(statement: str, **parameters: Any) -> Any:
    """As `call`, repeated until PostgreSQL answers."""
    return fetch_repeating(statement, parameters)[0]["result"]


def ready_of(row: Mapping[str, Any], *, is_brief: bool = False) -> Ready:
    """A row of a sweeper as what a message points at."""
    return Ready(row["execution_id"], row["version_id"], row["key"], row["path"], row["queue"], row["priority"], is_brief)
