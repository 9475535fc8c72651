-- The searches of the sweepers once more, the same but for how they ask for the time. clock_timestamp() may differ from row to row, so a
-- comparison with it is no condition of an index: each search read all that waits, queues or runs, twice a second, to find nothing due. Asked
-- once, by a subquery, it bounds the search.

create or replace function overdue_queues_v1(p_limit int) returns table (queue text, priority text, overdue bigint) language sql as $$
    select o.queue, o.priority, count(*) from (
        select n.queue, e.priority from node_run n join execution e on e.id = n.execution_id
         where n.status = 'queued' and n.due_at <= (select clock_timestamp()) and e.status = 'running'
         order by n.due_at limit p_limit) o
     group by o.queue, o.priority
$$;

create or replace function sweep_due_v1(p_queue text, p_priority text, p_is_explained boolean, p_limit int, p_due interval)
returns table (execution_id uuid, key text, path text, queue text, priority text, version_id uuid) language sql as $$
    with overdue as materialized (
        select n.id, e.priority, e.version_id from node_run n join execution e on e.id = n.execution_id
         where n.status = 'queued' and n.due_at <= (select clock_timestamp()) and n.queue = p_queue
           and e.status = 'running' and e.priority = p_priority
         order by n.due_at limit p_limit for update of n skip locked
    )
    update node_run n
       set sends = n.sends + (not p_is_explained)::int,
           due_at = clock_timestamp() + case when p_is_explained then p_due
                                             else least(p_due * power(2, least(n.sends, 6)), interval '10 min') end
      from overdue o where n.id = o.id
    returning n.execution_id, n.key, n.path, n.queue, o.priority, o.version_id
$$;

create or replace function sweep_wake_v1(p_limit int, p_due interval)
returns table (execution_id uuid, key text, path text, queue text, priority text, version_id uuid, attempt int, revision int) language sql as $$
    with awake as materialized (
        select n.id, e.priority, e.version_id from node_run n join execution e on e.id = n.execution_id
         where n.status in ('retrying', 'waiting') and n.wake_at <= (select clock_timestamp()) and e.status in ('running', 'paused')
         order by n.wake_at limit p_limit for update of n skip locked
    )
    update node_run n
       set status = 'queued', revision = n.revision + 1, attempt = n.attempt + (n.status = 'retrying')::int, wake_at = null,
           waits_for = null, queued_at = clock_timestamp(), due_at = clock_timestamp() + p_due, sends = 0
      from awake a where n.id = a.id
    returning n.execution_id, n.key, n.path, n.queue, a.priority, a.version_id, n.attempt, n.revision
$$;

create or replace function rescue_v1(p_limit int, p_max_losses int, p_token uuid, p_due interval, p_workers text[])
returns table (execution_id uuid, workspace_id uuid, key text, path text, queue text, status text, priority text, version_id uuid,
               attempt int, revision int, worker text) language sql as $$
    with lapsed as materialized (
        select n.id, e.priority, e.version_id,
               case when n.on_worker_lost = 'ask' and n.effect_started_at is not null then 'uncertain'
                    when n.on_worker_lost = 'fail' and n.effect_started_at is not null or n.losses + 1 >= p_max_losses then 'running'
                    else 'queued' end as verdict
          from node_run n join execution e on e.id = n.execution_id
         where n.status = 'running' and n.lease_until <= (select clock_timestamp()) and (p_workers is null or n.worker = any (p_workers))
         order by n.lease_until limit p_limit for update of n skip locked
    )
    update node_run n
       set status = l.verdict, losses = n.losses + 1, revision = n.revision + 1,
           attempt = n.attempt + (l.verdict = 'queued')::int,
           claim_token = case when l.verdict = 'running' then p_token end,
           lease_until = case when l.verdict = 'running' then clock_timestamp() + interval '30 s' end,
           queued_at = case when l.verdict = 'queued' then clock_timestamp() else n.queued_at end,
           due_at = case when l.verdict = 'queued' then clock_timestamp() + p_due end,
           sends = 0
      from lapsed l where n.id = l.id
    returning n.execution_id, n.workspace_id, n.key, n.path, n.queue, n.status, l.priority, l.version_id, n.attempt, n.revision, n.worker
$$;

create or replace function sweep_deadlines_v1(p_limit int, p_error jsonb) returns table (execution_id uuid, result jsonb) language sql as $$
    select late.id, cancel_v1(late.id, p_error) from (
        select e.id from execution e
         where e.deadline_at <= (select clock_timestamp()) and e.status in ('pending', 'running', 'paused')
         order by e.deadline_at limit p_limit for no key update skip locked) late
$$;

create or replace function put_held_aside_v1(p_looks int) returns int language sql as $$
    with looked_at as materialized (
        select n.id, n.key, n.execution_id from node_run n
         where n.status = 'queued' and n.due_at < (select clock_timestamp()) + interval '1 hour'
           and exists (select from hold h where h.released_at is null)
         order by n.due_at limit p_looks for update of n skip locked
    ), held as (
        update node_run n set held_by_id = f.hold, due_at = clock_timestamp() + interval '100 years', sends = 3
          from (select l.id, (select h.id from hold h
                               where h.released_at is null and (h.workspace_id is null or h.workspace_id = e.workspace_id)
                                 and (h.workflow_id is null or h.workflow_id = e.workflow_id) and (h.node_key = '' or h.node_key = l.key)
                               order by h.created_at limit 1) as hold
                  from looked_at l join execution e on e.id = l.execution_id) f
         where n.id = f.id and f.hold is not null and n.status = 'queued'
        returning 1
    )
    select count(*)::int from held
$$;
