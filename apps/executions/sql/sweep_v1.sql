-- Sweepers: each moves a bounded batch, skips what others hold, and may run in any number of copies.

-- How many of the oldest overdue node runs wait for each fleet, by its message queue.
create function overdue_queues_v1(p_limit int) returns table (queue text, priority text, overdue bigint) language sql as $$
    select o.queue, o.priority, count(*) from (
        select n.queue, e.priority from node_run n join execution e on e.id = n.execution_id
         where n.status = 'queued' and n.due_at <= clock_timestamp() and e.status = 'running'
         order by n.due_at limit p_limit) o
     group by o.queue, o.priority
$$;

-- Queued node runs of one fleet that nobody claimed in time. With `p_is_explained` their messages still wait in a long queue: they are only
-- looked at later. Else they are returned to be sent again, and the next sending is due after a doubled delay, at most ten minutes.
create function sweep_due_v1(p_queue text, p_priority text, p_is_explained boolean, p_limit int, p_due interval)
returns table (execution_id uuid, key text, path text, queue text, priority text, version_id uuid) language sql as $$
    with overdue as materialized (
        select n.id, e.priority, e.version_id from node_run n join execution e on e.id = n.execution_id
         where n.status = 'queued' and n.due_at <= clock_timestamp() and n.queue = p_queue
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

-- Fleets whose oldest queued node runs have been queued for longer than p_age, by their message queue.
create function stranded_queues_v1(p_limit int, p_age interval) returns table (queue text, priority text) language sql as $$
    select distinct o.queue, o.priority from (
        select n.queue, e.priority from node_run n join execution e on e.id = n.execution_id
         where n.status = 'queued' and n.sends < 3 and n.queued_at < clock_timestamp() - p_age and e.status = 'running'
         order by n.due_at limit p_limit) o
$$;

-- Make due at once what has been queued for longer than p_age for a fleet whose message queue is empty: its messages are lost.
create function sweep_stranded_v1(p_queue text, p_priority text, p_limit int, p_age interval) returns int language sql as $$
    with stranded as materialized (
        select n.id from node_run n join execution e on e.id = n.execution_id
         where n.status = 'queued' and n.sends < 3 and n.queue = p_queue and n.queued_at < clock_timestamp() - p_age
           and e.status = 'running' and e.priority = p_priority
         order by n.due_at limit p_limit for update of n skip locked
    ), due as (
        update node_run n set due_at = clock_timestamp() from stranded s where n.id = s.id returning 1
    )
    select count(*)::int from due
$$;

-- Timers that went off: back-off of a retry, delay of a deferred node.
create function sweep_wake_v1(p_limit int, p_due interval)
returns table (execution_id uuid, key text, path text, queue text, priority text, version_id uuid, attempt int, revision int) language sql as $$
    with awake as materialized (
        select n.id, e.priority, e.version_id from node_run n join execution e on e.id = n.execution_id
         where n.status in ('retrying', 'waiting') and n.wake_at <= clock_timestamp() and e.status in ('running', 'paused')
         order by n.wake_at limit p_limit for update of n skip locked
    )
    update node_run n
       set status = 'queued', revision = n.revision + 1, attempt = n.attempt + (n.status = 'retrying')::int, wake_at = null,
           waits_for = null, queued_at = clock_timestamp(), due_at = clock_timestamp() + p_due, sends = 0
      from awake a where n.id = a.id
    returning n.execution_id, n.key, n.path, n.queue, a.priority, a.version_id, n.attempt, n.revision
$$;

-- Claims whose lease has lapsed. What may run again is queued; what may have happened outside is uncertain; what is out of tries, or
-- asks to fail, is claimed by the sweeper (token p_token) so that it can be settled as failed in a transaction of its own. `p_workers`
-- narrows it to the claims of these worker processes.
create function rescue_v1(p_limit int, p_max_losses int, p_token uuid, p_due interval, p_workers text[])
returns table (execution_id uuid, workspace_id uuid, key text, path text, queue text, status text, priority text, version_id uuid,
               attempt int, revision int, worker text) language sql as $$
    with lapsed as materialized (
        select n.id, e.priority, e.version_id,
               case when n.on_worker_lost = 'ask' and n.effect_started_at is not null then 'uncertain'
                    when n.on_worker_lost = 'fail' and n.effect_started_at is not null or n.losses + 1 >= p_max_losses then 'running'
                    else 'queued' end as verdict
          from node_run n join execution e on e.id = n.execution_id
         where n.status = 'running' and n.lease_until <= clock_timestamp() and (p_workers is null or n.worker = any (p_workers))
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

-- Executions that are to stop: again what slipped back to queued, and after the grace also what still runs.
create function sweep_cancelling_v1(p_limit int, p_grace interval)
returns table (execution_id uuid, result jsonb) language plpgsql as $$
declare
    v_row record;
begin
    for v_row in
        select e.id, clock_timestamp() - e.cancelling_since > p_grace as is_over from execution e
         where e.status = 'cancelling' order by e.cancelling_since limit p_limit for no key update skip locked
    loop
        if v_row.is_over or exists (
            select 1 from node_run n where n.execution_id = v_row.id and n.status in ('queued', 'waiting', 'retrying', 'uncertain'))
        then
            execution_id := v_row.id;
            result := stop_open_nodes_v1(v_row.id, 'cancelling', v_row.is_over);
            return next;
        end if;
    end loop;
end $$;

-- Executions past their deadline are cancelled with an error, and so end as failed.
create function sweep_deadlines_v1(p_limit int, p_error jsonb) returns table (execution_id uuid, result jsonb) language sql as $$
    select late.id, cancel_v1(late.id, p_error) from (
        select e.id from execution e
         where e.deadline_at <= clock_timestamp() and e.status in ('pending', 'running', 'paused')
         order by e.deadline_at limit p_limit for no key update skip locked) late
$$;

-- What must never be found; each row is a fault of the engine.
create function broken_invariants_v1() returns table (execution_id uuid, fault text) language sql as $$
    select e.id, format('open_nodes is %s, but %s node runs are open', e.open_nodes, count(n.id))
      from execution e left join node_run n on n.execution_id = e.id and n.status not in ('success', 'failed', 'skipped', 'cancelled')
     where e.status in ('pending', 'running', 'paused', 'cancelling')
     group by e.id having e.open_nodes <> count(n.id)
$$;
