"""What must hold after every run, whatever happened in it: L1 to L8, each as a list of what contradicts it."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg

from tests.chaos import process_logs
from tests.chaos.faults import Fault
from tests.chaos.scenarios import Scenario
from tests.chaos.stack import Stack

SHOWN = 20
# A fault explains a repetition when it falls between the effect and the end of the lease that the lost claim had, and a little.
REACH_SECONDS = 20.0

_LOST_NODES = """
select n.execution_id || '/' || n.key || ' failed after ' || n.losses || ' lost workers' from node_run n
 where n.status = 'failed' and n.error->>'code' = 'worker_lost' and n.losses < 3
"""
_TERMINAL_EVENTS = """
with ends as (
    select v.execution_id, c->>'key' as key, c->>'path' as path, count(*) as times, min(c->>'status') as status
      from execution_event v, jsonb_array_elements(v.changes) c
     where c->>'status' in ('success', 'failed', 'skipped', 'cancelled') group by 1, 2, 3
)
select n.execution_id || '/' || n.key || ': ' || coalesce(ends.times, 0) || ' terminal events, status ' || n.status
  from node_run n left join ends on (ends.execution_id, ends.key, ends.path) = (n.execution_id, n.key, n.path)
 where coalesce(ends.times, 0) <> case when n.status in ('success', 'failed', 'skipped', 'cancelled') then 1 else 0 end
    or ends.status <> n.status
"""
_GAPS = """
select e.id || ': ' || count(v.id) || ' events, highest ' || max(v.sequence) || ', counter ' || e.event_seq
  from execution e left join execution_event v on v.execution_id = e.id
 group by e.id, e.event_seq having count(v.id) <> e.event_seq or max(v.sequence) is distinct from e.event_seq
"""
_INVARIANTS = """
select e.id || ': ' || e.status || ' with ' || count(n.id) || ' open node runs, open_nodes ' || e.open_nodes
  from execution e left join node_run n on n.execution_id = e.id and n.status not in ('success', 'failed', 'skipped', 'cancelled')
 group by e.id
having count(n.id) <> e.open_nodes or (e.status in ('success', 'failed', 'cancelled')) <> (count(n.id) = 0)
"""
_MISSING_EFFECTS = """
select n.execution_id || '/' || n.key || ' succeeded without an effect' from node_run n
 where n.status = 'success' and n.key = any (%s)
   and not exists (select from chaos_effect c where (c.execution_id, c.key, c.path) = (n.execution_id, n.key, n.path))
"""
_DOUBLE_EXTERNAL = """
select c.execution_id || '/' || c.key || ': effects of ' || string_agg('process ' || c.pid || ' at ' || c.at, ', ' order by c.id)
  from chaos_effect c
 where c.is_external group by c.execution_id, c.key, c.path having count(*) > 1
"""
_REPEATED = """
select execution_id::text, key || ' ' || path, array_agg(pid order by id), array_agg(extract(epoch from at)::float8 order by id)
  from chaos_effect where not is_external group by 1, 2 having count(*) > 1
"""
_LAST_EFFECTS = "select pid, extract(epoch from max(at))::float8 from chaos_effect group by pid"
_COUNTS = """
select (select count(*) from execution where trigger in ('api', 'schedule')), (select count(*) from execution where status = 'success'),
       (select count(*) from execution where status = 'failed'), (select count(*) from node_run where key not like '$%'),
       (select count(*) from chaos_effect), (select coalesce(sum(attempt - 1), 0) from node_run),
       (select coalesce(sum(sends) filter (where sends > 0), 0) from node_run),
       (select extract(epoch from max(finished_at))::float8 from execution)
"""


@dataclass(frozen=True, slots=True)
class Repetition:
    """A node whose effect happened more than once.

    is_explained   whether a fault hit the process of each earlier effect, in time
    """

    node: str
    times: int
    is_explained: bool


@dataclass
class Findings:
    """Counts, and for each law what contradicts it; empty lists when it holds."""

    counts: dict[str, Any] = field(default_factory=dict)
    laws: dict[str, list[str]] = field(default_factory=dict)
    measures: dict[str, float | None] = field(default_factory=dict)
    repeated_effects: int = 0
    refusals: int = 0

    @property
    def violations(self) -> dict[str, list[str]]:
        return {law: cases[:SHOWN] for law, cases in self.laws.items() if cases}


def check(
    stack: Stack, scenario: Scenario, faults: Sequence[Fault], *, expected: int, concurrency: int, secrets: Sequence[str]
) -> Findings:
    """Compare history, rows, effects, faults and logs. The stack's PostgreSQL must run, its workers may have stopped.

    expected      executions that were accepted; those that follow from them are not counted
    concurrency   processes that work at the same time
    """
    killed_themselves = process_logs.self_killed(stack.logs) - {pid for fault in faults for pid in fault.pids}
    kinds = [fault.kind for fault in faults] + ["child killed itself"] * len(killed_themselves)
    found = Findings(refusals=process_logs.refusals(stack.logs))
    with stack.database() as connection:
        found.counts = _counts(connection) | {"self_kills": len(killed_themselves)}
        repetitions = _repetitions(connection, faults, killed_themselves)
        found.repeated_effects = sum(one.times - 1 for one in repetitions)
        kills = sum("killed" in kind for kind in kinds) + sum("SIG" in kind for kind in kinds)
        found.laws = {
            "L1 every execution ended as expected": _rows(connection, scenario.outcomes)
            + _rows(connection, _LOST_NODES)
            + _expected(found.counts["executions"], expected),
            "L2 exactly one terminal event for each node run": _rows(connection, _TERMINAL_EVENTS),
            "L3 no gap in the sequence of events": _rows(connection, _GAPS),
            "L4 no invariant is broken": _rows(connection, _INVARIANTS) + _rows(connection, "select fault from broken_invariants_v1()"),
            "L5 an external effect happened at most once, and a success has its effect": _rows(connection, _DOUBLE_EXTERNAL)
            + _rows(connection, _MISSING_EFFECTS, [_keys_with_effects(scenario)]),
            "L6 every repetition has a fault that explains it": _unexplained(repetitions, kills, kinds, concurrency),
            "L7 no deadlock, no unhandled exception": process_logs.deadlocks(stack.logs)
            + process_logs.unexplained(stack.logs, kinds)
            + _deadlocks(connection),
            "L8 no secret in any log": process_logs.leaks(stack.logs, secrets),
            **{law: _rows(connection, statement) for law, statement in scenario.laws.items()},
        }
        found.measures = {name: _number(connection, statement) for name, statement in scenario.measures.items()}
    return found


def _rows(connection: psycopg.Connection[Any], statement: str, parameters: Sequence[object] | None = None) -> list[str]:
    return [str(row[0]) for row in connection.execute(statement.encode(), parameters).fetchall()]


def _number(connection: psycopg.Connection[Any], statement: str) -> float | None:
    row = connection.execute(statement.encode()).fetchone()
    return None if row is None or row[0] is None else round(float(row[0]), 3)


def _keys_with_effects(scenario: Scenario) -> list[str]:
    """No two definitions of a scenario give a key to a node with an effect and to one without."""
    nodes = (node for document in (*scenario.documents, *scenario.called) for node in document["nodes"])
    return sorted({node["key"] for node in nodes if node["type"] == "function"})


def _expected(found: int, expected: int) -> list[str]:
    return [] if found == expected else [f"{expected} executions were accepted, {found} are there"]


def _counts(connection: psycopg.Connection[Any]) -> dict[str, Any]:
    row = connection.execute(_COUNTS).fetchone()
    assert row is not None
    return dict(zip(("executions", "success", "failed", "nodes", "effects", "reruns", "sent_again", "last_finished"), row, strict=True))


def _deadlocks(connection: psycopg.Connection[Any]) -> list[str]:
    row = connection.execute("select deadlocks from pg_stat_database where datname = current_database()").fetchone()
    return [f"PostgreSQL counted {row[0]} deadlocks"] if row and row[0] else []


def _repetitions(connection: psycopg.Connection[Any], faults: Sequence[Fault], killed_themselves: set[int]) -> list[Repetition]:
    last_effects: Mapping[int, float] = defaultdict(float, connection.execute(_LAST_EFFECTS).fetchall())
    found = []
    for execution_id, key, pids, times in connection.execute(_REPEATED).fetchall():
        explained = all(
            _explains(faults, killed_themselves, last_effects, first, at, following) or _was_away(faults, second, following)
            for first, second, at, following in zip(pids, pids[1:], times, times[1:], strict=False)
        )
        found.append(Repetition(f"{execution_id}/{key}", len(pids), explained))
    return found


def _explains(
    faults: Sequence[Fault], killed_themselves: set[int], last_effects: Mapping[int, float], pid: int, at: float, following: float
) -> bool:
    """Whether something hit process `pid` after its effect at `at`, so that the effect had to be repeated at `following`."""
    if pid in killed_themselves and last_effects[pid] == at:
        return True
    return any(
        (not fault.pids or pid in fault.pids) and fault.until >= at - 1.0 and fault.at <= min(following, at + REACH_SECONDS)
        for fault in faults
    )


def _was_away(faults: Sequence[Fault], pid: int, at: float) -> bool:
    """Whether process `pid` was held up until shortly before its effect at `at`: another had taken its node run meanwhile."""
    return any(pid in fault.pids and fault.at <= at and fault.until >= at - REACH_SECONDS for fault in faults)


def _unexplained(repetitions: Sequence[Repetition], kills: int, kinds: Sequence[str], concurrency: int) -> list[str]:
    found = [f"{one.node}: {one.times} effects without a fault in between" for one in repetitions if not one.is_explained]
    repeats = sum(one.times - 1 for one in repetitions)
    others = sum("frozen" in kind or "postgres" in kind or "redis" in kind for kind in kinds)
    if repeats > (kills + others) * concurrency:
        found.append(f"{repeats} repetitions, more than {kills} kills and {others} other faults times {concurrency} processes explain")
    return found
