"""What must hold of executions besides the laws of the checker, as statements: each returns a line for everything that contradicts it."""

from collections.abc import Mapping

from tests.chaos.deep import DEEP, INNER, OUTER, SAGA, UNDONE

# How executions end.

ALL_SUCCEED = """
select e.id || ' is ' || e.status || coalesce(': ' || (e.error->>'code'), '') from execution e
 where e.status <> 'success' and not (e.status = 'failed' and e.error->>'code' = 'worker_lost') limit 20
"""
DEEP_OUTCOMES = f"""
select e.id || ' of ' || w.name || ' is ' || e.status || coalesce(': ' || (e.error->>'code'), '')
  from execution e join workflow w on w.id = e.workflow_id
 where case when w.name = '{SAGA}' and e.trigger = 'api' then e.status <> 'failed' or e.error->>'code' <> 'boom'
            else e.status <> 'success' end
 limit 20
"""
POISONED_FAIL = """
select e.id || ' of ' || w.name || ' is ' || e.status || coalesce(': ' || (e.error->>'code'), '')
  from execution e join workflow w on w.id = e.workflow_id
 where case when w.name like 'Poison%' then e.status <> 'failed' or e.error->>'code' <> 'worker_lost' else e.status <> 'success' end
 limit 20
"""
# A call whose child somebody has cancelled fails, and its execution with it; what takes as long as a worker lives may lose three.
SUCCEED_OR_CANCELLED = """
select e.id || ' is ' || e.status || coalesce(': ' || (e.error->>'code'), '') from execution e
 where not (e.status = 'success' or e.status = 'cancelled' and e.cancel_requested
            or e.status = 'failed' and e.error->>'code' in ('child_cancelled', 'worker_lost')) limit 20
"""

# What they leave.

_EXACT_OUTPUT = f"""
select e.id || ' has the output ' || coalesce(e.output::text, 'null')
  from execution e join workflow w on w.id = e.workflow_id cross join lateral (select (e.input->>'number')::int as n) i
 where w.name = '{DEEP}' and e.status = 'success' and e.output is distinct from jsonb_build_object('double', 2 * n, 'paid', n, 'each', (
       select jsonb_agg((select jsonb_agg(jsonb_build_object('key', 'deep', 'value', (n * 10 + item) * 10 + at) order by at)
                           from generate_series(0, {INNER - 1}) at) order by item) from generate_series(0, {OUTER - 1}) item))
 limit 20
"""
_WHOLE_LOOPS = f"""
select r.execution_id || '/' || r.key || '/' || r.path || ': ' || r.succeeded || ' of ' || r.total || ' succeeded, '
       || r.running || ' run, ' || count(i.id) || ' iterations'
  from loop_run r join execution e on e.id = r.execution_id
  left join iteration i on (i.execution_id, i.key, i.loop_path) = (r.execution_id, r.key, r.path) and i.status = 'success'
 where e.status = 'success'
 group by r.id
having r.running <> 0 or r.succeeded <> r.total or r.next_index <> r.total or count(i.id) <> r.total
    or r.total <> case r.key when 'each' then {OUTER} else {INNER} end
 limit 20
"""
_NOTHING_LEFT = """
select e.id || ' has ended with a running iteration of ' || i.key from iteration i join execution e on e.id = i.execution_id
 where i.status = 'running' and e.finished_at is not null
union all
select e.id || ' has ended with a gate of ' || g.settled || ' out of ' || g.expected || ' at ' || g.key
  from gate g join execution e on e.id = g.execution_id where e.status = 'success' and g.settled <> g.expected
union all
select e.id || '/' || n.key || ' waits for something, and has ended' from node_run n join execution e on e.id = n.execution_id
 where n.finished_at is not null
   and (n.waits_for is not null and n.status <> 'cancelled' or n.wake_at is not null or n.lease_until is not null)
 limit 20
"""
_ONE_CHILD_EACH = """
select n.execution_id || '/' || n.key || ' has ' || count(c.id) || ' children, '
       || count(c.id) filter (where c.status = 'success') || ' succeeded'
  from node_run n left join execution c on c.parent_node_run_id = n.id
 where n.key = 'call' group by n.id having count(c.id) <> 1 or count(c.id) filter (where c.status = 'success') <> 1
 limit 20
"""
_ONE_EVENT_EACH = """
select v.event || ' ' || v.waits_for || ' woke ' || v.woken || coalesce(' by ' || v.delivered_at::text, ', not delivered')
  from received_event v where v.woken <> 1 or v.delivered_at is null limit 20
"""
_UNDONE_IN_REVERSE = f"""
select e.id || ' was undone by ' || count(u.id) || ' executions, with the effects ' || coalesce(string_agg(k.keys::text, ' '), 'none')
  from execution e join workflow w on w.id = e.workflow_id
  left join execution_follow_up f on f.origin_id = e.id and f.kind = 'compensation'
  left join execution u on u.id = f.execution_id and u.status = 'success'
  left join lateral (select array_agg(x.key order by x.first) as keys, bool_and(x.after is null or x.after < x.first) as in_order from (
            select c.key, min(c.id) as first, lag(max(c.id)) over (order by min(c.id)) as after
              from chaos_effect c where c.execution_id = u.id group by c.key) x) k on true
 where w.name = '{SAGA}' and e.trigger = 'api'
 group by e.id
having count(u.id) <> 1 or bool_or(k.keys is distinct from array[{", ".join(f"'{key}'" for key in UNDONE)}]) or not bool_and(k.in_order)
 limit 20
"""
DEEP_LAWS: Mapping[str, str] = {
    "L9 every output is exact, in the order of the items": _EXACT_OUTPUT,
    "L10 every loop has had all its iterations, once": _WHOLE_LOOPS,
    "L11 no gate, iteration, timer or lease is left over": _NOTHING_LEFT,
    "L12 every call has started one child": _ONE_CHILD_EACH,
    "L13 every event has woken one node run": _ONE_EVENT_EACH,
    "L14 what had failed was undone once, the last first": _UNDONE_IN_REVERSE,
}

POISON_LAWS: Mapping[str, str] = {
    "L9 a poisoned node run was tried three times, and not again": """
select e.id || ': ' || count(d.id) || ' deaths' from execution e join workflow w on w.id = e.workflow_id
  left join chaos_death d on d.execution_id = e.id
 where w.name like 'Poison%' group by e.id having count(d.id) <> 3 limit 20
""",
}
POISON_MEASURES: Mapping[str, str] = {
    "others_p99_seconds": """
select percentile_cont(0.99) within group (order by extract(epoch from e.finished_at - e.created_at)) from execution e
  join workflow w on w.id = e.workflow_id where w.name not like 'Poison%'
""",
    "slowest_verdict_seconds": """
select max(extract(epoch from e.finished_at - d.at)) from execution e
  join lateral (select max(at) as at from chaos_death where execution_id = e.id) d on d.at is not null
""",
}

_DUE = "to_timestamp((e.input->>'due')::float8)"
TIMER_LAWS: Mapping[str, str] = {
    "L9 no timer went off early": f"""
select e.id || ' went on ' || {_DUE} - c.at || ' early' from chaos_effect c join execution e on e.id = c.execution_id where c.at < {_DUE}
union all
select e.id || ' was woken ' || {_DUE} - n.queued_at || ' early' from node_run n join execution e on e.id = n.execution_id
 where n.key = 'wait' and n.status = 'success' and n.queued_at < {_DUE} and n.losses = 0
   and exists (select from execution_event v
                where v.execution_id = e.id and v.at < {_DUE} and v.changes @> '[{{"key": "wait", "status": "waiting"}}]')
 limit 20
""",
    "L10 nearly every timer was set before it was due": f"""
select s.set || ' of ' || s.of || ' were' from (
    select count(*) filter (where exists (
               select from execution_event v where v.execution_id = e.id and v.at < {_DUE}
                  and v.changes @> '[{{"key": "wait", "status": "waiting"}}]')) as set, count(*) as of from execution e) s
 where s.set < 0.95 * s.of
""",
}


def _late(percentile: float) -> str:
    return f"""
select percentile_cont({percentile}) within group (order by extract(epoch from c.at - {_DUE})) from execution e
  join lateral (select min(at) as at from chaos_effect where execution_id = e.id) c on true
"""


TIMER_MEASURES: Mapping[str, str] = {
    "late_p50_seconds": _late(0.5),
    "late_p99_seconds": _late(0.99),
    "late_max_seconds": _late(1.0),
    "woken_p99_seconds": f"""
select percentile_cont(0.99) within group (order by extract(epoch from n.queued_at - {_DUE})) from node_run n
  join execution e on e.id = n.execution_id where n.key = 'wait'
""",
}

# A claim that had read the status before the cancel or the pause was committed may commit after it.
_RACE = "interval '1 s'"
STORM_LAWS: Mapping[str, str] = {
    "L9 every cancelled execution has ended within 40 s": """
select e.id || ' took ' || coalesce(e.finished_at, clock_timestamp()) - e.cancelling_since from execution e
 where e.cancelling_since is not null and coalesce(e.finished_at, clock_timestamp()) - e.cancelling_since > interval '40 s' limit 20
""",
    "L10 nothing began after its execution was cancelled": f"""
select e.id || '/' || n.key || ' began ' || n.started_at - coalesce(e.finished_at, e.cancelling_since) || ' later'
  from node_run n join execution e on e.id = n.execution_id
 where e.status = 'cancelled' and n.started_at is not null
   and (n.started_at > e.finished_at or n.started_at > e.cancelling_since + {_RACE})
union all
select c.execution_id || '/' || c.key || ' had an effect ' || c.at - e.finished_at || ' later'
  from chaos_effect c join execution e on e.id = c.execution_id where e.status = 'cancelled' and c.at > e.finished_at
 limit 20
""",
    "L11 nothing began during a pause": f"""
select p.execution_id || '/' || n.key || ' began ' || n.started_at - p.at || ' into a pause' from (
    select v.execution_id, v.at, v.kind, lead(v.at) over w as until from execution_event v
     where v.kind in ('paused', 'resumed', 'cancelling') window w as (partition by v.execution_id order by v.sequence)) p
  join node_run n on n.execution_id = p.execution_id and n.started_at > p.at + {_RACE} and n.started_at < p.until
 where p.kind = 'paused' limit 20
""",
    "L12 no gate, iteration, timer or lease is left over": _NOTHING_LEFT,
    "L13 every output is exact, in the order of the items": _EXACT_OUTPUT,
    "L14 no call has started two children": """
select n.execution_id || '/' || n.key || ' has ' || count(c.id) || ' children'
  from node_run n join execution c on c.parent_node_run_id = n.id
 group by n.id having count(c.id) > 1 limit 20
""",
}
STORM_MEASURES: Mapping[str, str] = {
    "cancelled": "select count(*) from execution where status = 'cancelled'",
    "slowest_cancel_seconds": "select max(extract(epoch from finished_at - cancelling_since)) from execution",
    "latest_begin_seconds": """
select max(extract(epoch from n.started_at - e.cancelling_since)) from node_run n join execution e on e.id = n.execution_id
 where e.cancelling_since is not null and n.started_at > e.cancelling_since
""",
}

# Schedules of a second each, whose first and last instants are start_at and end_at.
SCHEDULE_LAWS: Mapping[str, str] = {
    "L9 every instant was fired": """
select s.id || ' was not fired for ' || i.at from schedule s
 cross join lateral generate_series(s.start_at, s.end_at, make_interval(secs => s.interval_seconds)) i(at)
  left join schedule_run r on (r.schedule_id, r.scheduled_for) = (s.id, i.at)
 where r.execution_id is null limit 20
""",
    "L10 no instant was fired twice, and none early": """
select e.id || ' has ' || count(r.id) || ' runs' from execution e left join schedule_run r on r.execution_id = e.id
 where e.trigger = 'schedule' group by e.id having count(r.id) <> 1
union all
select s.id || ' counts ' || s.run_count || ' runs and has ' || count(r.id) from schedule s left join schedule_run r on r.schedule_id = s.id
 group by s.id having count(r.id) <> s.run_count
union all
select e.id || ' was started ' || r.scheduled_for - e.created_at || ' early' from schedule_run r join execution e on e.id = r.execution_id
 where e.created_at < r.scheduled_for
 limit 20
""",
    "L11 nobody was told of a missed run": "select kind || ' ' || count || ' times: ' || schedule_name from schedule_alert limit 20",
}


def _fired_late(percentile: float) -> str:
    return f"""
select percentile_cont({percentile}) within group (order by extract(epoch from e.created_at - r.scheduled_for))
  from schedule_run r join execution e on e.id = r.execution_id
"""


SCHEDULE_MEASURES: Mapping[str, str] = {
    "late_p50_seconds": _fired_late(0.5),
    "late_p99_seconds": _fired_late(0.99),
    "late_max_seconds": _fired_late(1.0),
}
