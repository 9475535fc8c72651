-- Loops, and parts of an execution that are cancelled while the rest goes on. The caller holds the lock on the execution.

-- Cancel what has not ended of a part: runs of the nodes `here` at p_path, and of those `inside` at paths below it. What runs is asked to
-- stop, and settles as cancelled. Returns {"changes": [...], "count": int}, of those that have ended by it.
create function stop_part_v1(p_execution uuid, p_here text[], p_inside text[], p_path text, p_now timestamptz)
returns jsonb language plpgsql as $$
declare
    v_result jsonb;
begin
    -- Two ways to find them, each by the key of the table.
    with part as materialized (
        select n.id, n.status from node_run n
         where n.execution_id = p_execution and n.key = any (p_here) and n.path = p_path
           and n.status in ('queued', 'running', 'waiting', 'retrying', 'uncertain')
        union
        select n.id, n.status from node_run n
         where n.execution_id = p_execution and n.key = any (p_inside) and n.path <> '' and (p_path = '' or starts_with(n.path, p_path || '.'))
           and n.status in ('queued', 'running', 'waiting', 'retrying', 'uncertain')
    ), asked as (
        update node_run n set stop_requested_at = p_now from part p
         where n.id = p.id and p.status = 'running' and n.stop_requested_at is null
    ), iterations as (
        update iteration i set status = 'cancelled', finished_at = p_now
         where i.execution_id = p_execution and i.key = any (p_inside) and i.status in ('running', 'pending')
           and (p_path = '' or starts_with(i.path, p_path || '.'))
    ), stopped as (
        update node_run n
           set status = 'cancelled', revision = n.revision + 1, finished_at = p_now, due_at = null, wake_at = null
          from part p where n.id = p.id and p.status <> 'running'
        returning n.key, n.path, n.status, n.attempt, n.revision
    )
    select jsonb_build_object('changes', coalesce(jsonb_agg(to_jsonb(s)), '[]'), 'count', count(*)) into v_result from stopped s;
    return v_result;
end $$;

-- Of rows that became ready, those that have not been cancelled since.
create function without_stopped_v1(p_ready jsonb, p_changes jsonb) returns jsonb language sql immutable as $$
    select case when p_changes = '[]' then p_ready else coalesce(
        (select jsonb_agg(r) from jsonb_array_elements(p_ready) r
          where not exists (select from jsonb_array_elements(p_changes) c where c->>'key' = r->>'key' and c->>'path' = r->>'path')), '[]') end
$$;

-- Go on with a loop that waits: start iterations, as many as there is room for, or wake it when all have ended, or one that must not fail
-- has failed. A bounded number of rows at once; the end of each iteration comes back here.
-- Returns {"ready": [{"key","path","queue"}], "open": rows made}; of a loop that does not wait for iterations, nothing.
create function advance_loop_v1(p_execution uuid, p_workspace uuid, p_key text, p_path text, p_due interval, p_now timestamptz)
returns jsonb language plpgsql as $$
declare
    c_rows constant int := 1000;
    l loop_run;
    v_count int;
    v_prefix text;
    v_going jsonb := '{"ready": [], "open": 0, "count": 0}';
    v_ready jsonb;
    v_open int;
begin
    select r.* into l from loop_run r join node_run n using (execution_id, key, path)
     where r.execution_id = p_execution and r.key = p_key and r.path = p_path
       and n.status = 'waiting' and n.waits_for = '$loop' and n.stop_requested_at is null;
    if not found then
        return '{"ready": [], "open": 0}';
    end if;
    if l.failure is not null or l.running = 0 and l.pending = 0 and l.next_index >= l.total then
        with woken as (
            update node_run n
               set status = 'queued', revision = n.revision + 1, wake_at = null, waits_for = null, queued_at = p_now, due_at = p_now + p_due,
                   sends = 0, deferred = n.deferred || '{"signal": true}'
             where n.execution_id = p_execution and n.key = p_key and n.path = p_path
            returning n.key, n.path, n.queue, n.attempt, n.revision
        )
        select jsonb_agg(to_jsonb(w)) into v_ready from woken w;
        return jsonb_build_object('ready', v_ready, 'open', 0);
    end if;
    v_count := least(l.parallel - l.running, greatest(1, c_rows / jsonb_array_length(l.entries)));
    if l.pending > 0 and v_count > 0 then
        v_going := resume_iterations_v1(p_execution, p_workspace, p_key, p_path, v_count, p_due, p_now);
    end if;
    v_count := least(v_count - (v_going->>'count')::int, l.total - l.next_index);
    if v_count <= 0 then
        return v_going;
    end if;
    v_prefix := case when p_path = '' then '' else p_path || '.' end;
    insert into iteration (workspace_id, execution_id, key, loop_path, path, index, status, started_at)
    select p_workspace, p_execution, p_key, p_path, v_prefix || i, i, 'running', p_now
      from generate_series(l.next_index, l.next_index + v_count - 1) as i;
    with queued as (
        insert into node_run as n (workspace_id, execution_id, key, path, status, revision, attempt, losses, queue, worker,
                                   on_worker_lost, queued_at, due_at, sends)
        select p_workspace, p_execution, e.key, v_prefix || i, 'queued', 1, 1, 0, e.queue, '', e.lost, p_now, p_now + p_due, 0
          from generate_series(l.next_index, l.next_index + v_count - 1) as i,
               jsonb_to_recordset(l.entries) as e(key text, queue text, lost text)
         order by i
        returning n.key, n.path, n.queue
    )
    select jsonb_agg(to_jsonb(q)), count(*) into v_ready, v_open from queued q;
    update loop_run r set next_index = r.next_index + v_count, running = r.running + v_count where r.id = l.id;
    return jsonb_build_object('ready', (v_going->'ready') || v_ready, 'open', v_open + (v_going->>'open')::int);
end $$;

-- Let iterations of a re-run go on where they stood, as many as there is room for.
-- Returns {"ready": [{"key","path","queue"}], "open": rows made, "count": iterations}.
create function resume_iterations_v1(
    p_execution uuid, p_workspace uuid, p_key text, p_path text, p_room int, p_due interval, p_now timestamptz
) returns jsonb language plpgsql as $$
declare
    v_count int;
    v_result jsonb;
begin
    with going as (
        update iteration i set status = 'running', started_at = p_now, begins = null
          from (select p.id, p.begins from iteration p
                 where p.execution_id = p_execution and p.key = p_key and p.loop_path = p_path and p.status = 'pending'
                 order by p.index limit p_room) as p
         where i.id = p.id
        returning i.path, i.index, p.begins
    ), queued as (
        insert into node_run as n (workspace_id, execution_id, key, path, status, revision, attempt, losses, queue, worker,
                                   on_worker_lost, queued_at, due_at, sends)
        select p_workspace, p_execution, e.key, g.path, 'queued', 1, 1, 0, e.queue, '', e.lost, p_now, p_now + p_due, 0
          from going g, jsonb_to_recordset(g.begins) as e(key text, queue text, lost text)
         order by g.index
        returning n.key, n.path, n.queue
    )
    select (select count(*) from going),
           jsonb_build_object('ready', coalesce(jsonb_agg(to_jsonb(q)), '[]'), 'open', count(*)) into v_count, v_result from queued q;
    update loop_run r set pending = r.pending - v_count, running = r.running + v_count
     where r.execution_id = p_execution and r.key = p_key and r.path = p_path;
    return v_result || jsonb_build_object('count', v_count);
end $$;

-- Record that an iteration has ended, p_error null: well. A failure stops what is left of it; where it must not fail, of the whole loop.
-- Returns {"ready", "open", "changes"}; of an iteration that has ended before, nothing.
create function end_iteration_v1(
    p_execution uuid, p_workspace uuid, p_key text, p_path text, p_error jsonb, p_due interval, p_now timestamptz
) returns jsonb language plpgsql as $$
declare
    v_loop_path constant text := regexp_replace(p_path, '\.?[0-9]+$', '');
    l loop_run;
    v_stopped jsonb := '{"changes": [], "count": 0}';
    v_next jsonb;
begin
    update iteration i set status = case when p_error is null then 'success' else 'failed' end, error = p_error, finished_at = p_now
     where i.execution_id = p_execution and i.key = p_key and i.loop_path = v_loop_path
       and i.index = substring(p_path from '[0-9]+$')::int and i.status = 'running';
    if not found then
        return '{"ready": [], "open": 0, "changes": []}';
    end if;
    update loop_run r
       set running = r.running - 1,
           succeeded = r.succeeded + (p_error is null)::int,
           failed = r.failed + (p_error is not null)::int,
           failure = case when p_error is null or r.collects then r.failure
                          else coalesce(r.failure, jsonb_build_object('path', p_path, 'error', p_error)) end
     where r.execution_id = p_execution and r.key = p_key and r.path = v_loop_path
    returning r.* into l;
    if p_error is not null then
        v_stopped := case when l.collects then stop_part_v1(p_execution, l.body, l.inside, p_path, p_now)
                          else stop_part_v1(p_execution, '{}', l.key || l.body || l.inside, v_loop_path, p_now) end;
    end if;
    v_next := advance_loop_v1(p_execution, p_workspace, p_key, v_loop_path, p_due, p_now);
    return jsonb_build_object('ready', v_next->'ready', 'changes', v_stopped->'changes',
                              'open', (v_next->>'open')::int - (v_stopped->>'count')::int);
end $$;

-- Record what the claimed run of a loop began, or performed itself.
--   p_loop        {"total": int, "next": int, "parallel", "collects", "asks", "items", "blocks", "entries", "body", "inside",
--                  "timeout_seconds", "failure": {} | null}; all from "parallel" on only when the loop begins, "timeout_seconds" also when
--                  it is taken up again
--   p_iterations  [{"index", "path", "status": "running" | "success" | "failed", "error", "started_ms", "finished_ms"}]
create function run_loop_v1(
    p_execution uuid, p_workspace uuid, p_key text, p_path text, p_loop jsonb, p_iterations jsonb, p_now timestamptz
) returns void language plpgsql as $$
begin
    if p_loop ? 'entries' then
        insert into loop_run (workspace_id, execution_id, key, path, total, next_index, running, succeeded, failed, parallel, collects, asks,
                              items, blocks, entries, body, inside, deadline_at)
        select p_workspace, p_execution, p_key, p_path, x.total, 0, 0, 0, 0, x.parallel, x.collects, x.asks, x.items, x.blocks, x.entries,
               x.body, x.inside, p_now + make_interval(secs => x.timeout_seconds)
          from jsonb_to_record(p_loop) as x(total int, parallel int, collects boolean, asks boolean, items jsonb, blocks jsonb,
                                            entries jsonb, body text[], inside text[], timeout_seconds double precision);
    end if;
    with made as (
        insert into iteration as i (workspace_id, execution_id, key, loop_path, path, index, status, error, started_at, finished_at)
        select p_workspace, p_execution, p_key, p_path, x.path, x.index, x.status, nullif(x.error, 'null'),
               p_now - make_interval(secs => x.started_ms / 1000),
               case when x.status <> 'running' then p_now - make_interval(secs => x.finished_ms / 1000) end
          from jsonb_to_recordset(coalesce(p_iterations, '[]'))
               as x(index int, path text, status text, error jsonb, started_ms double precision, finished_ms double precision)
        returning i.status
    ), counted as (
        select count(*) as many, count(*) filter (where m.status = 'running') as running,
               count(*) filter (where m.status = 'success') as succeeded, count(*) filter (where m.status = 'failed') as failed from made m
    )
    update loop_run r
       set total = (p_loop->>'total')::int, next_index = r.next_index + c.many, running = r.running + c.running,
           succeeded = r.succeeded + c.succeeded, failed = r.failed + c.failed, failure = coalesce(r.failure, nullif(p_loop->'failure', 'null')),
           -- That of a loop which is taken up again begins with its first claim.
           deadline_at = coalesce(r.deadline_at, p_now + make_interval(secs => (p_loop->>'timeout_seconds')::double precision))
      from counted c
     where r.execution_id = p_execution and r.key = p_key and r.path = p_path;
end $$;

-- Cancel the node runs that were asked to stop and have slipped back, or have not stopped within the grace.
-- Returns the executions, and what is to be told of each, as `settle_v2` does.
create function sweep_stopping_v1(p_limit int, p_grace interval) returns table (execution_id uuid, result jsonb) language plpgsql as $$
declare
    v_now timestamptz := clock_timestamp();
    v_row record;
    v_changes jsonb;
    v_count int;
begin
    for v_row in
        select e.id, e.workspace_id from execution e
         where e.status in ('running', 'paused', 'cancelling') and e.id in (
               select n.execution_id from node_run n
                where n.stop_requested_at is not null
                  and (n.status in ('queued', 'waiting', 'retrying', 'uncertain')
                       or n.status = 'running' and n.stop_requested_at < v_now - p_grace)
                limit p_limit)
         for no key update skip locked
    loop
        with stopped as (
            update node_run n
               set status = 'cancelled', revision = n.revision + 1, finished_at = v_now, due_at = null, wake_at = null, lease_until = null,
                   claim_token = null
             where n.execution_id = v_row.id and n.stop_requested_at is not null
               and (n.status in ('queued', 'waiting', 'retrying', 'uncertain')
                    or n.status = 'running' and n.stop_requested_at < v_now - p_grace)
            returning n.key, n.path, n.status, n.attempt, n.revision
        )
        select coalesce(jsonb_agg(to_jsonb(s)), '[]'), count(*) into v_changes, v_count from stopped s;
        update execution e
           set open_nodes = e.open_nodes - v_count, event_seq = e.event_seq + 1,
               status = case when e.open_nodes > v_count then e.status when e.error is not null then 'failed'
                             when e.cancel_requested then 'cancelled' else 'success' end,
               finished_at = case when e.open_nodes = v_count then v_now end
         where e.id = v_row.id
        returning e.id, jsonb_build_object('status', e.status, 'sequence', e.event_seq, 'changes', v_changes, 'at', v_now)
             into execution_id, result;
        insert into execution_event (workspace_id, execution_id, sequence, kind, at, status, changes)
        values (v_row.workspace_id, v_row.id, (result->>'sequence')::bigint, 'stopped', v_now, result->>'status', v_changes);
        return next;
    end loop;
end $$;

-- The outputs of the iterations of a loop, in order, from the one after p_after: the output of its last node, where the body has one, an
-- object of them by key where it has several; of a failed iteration {"error": …}. `ref` where the object store has it: then `output` is null.
create function iteration_outputs_v1(p_execution uuid, p_key text, p_path text, p_sinks text[], p_after int, p_limit int)
returns table (index int, output text, refs jsonb) language sql stable as $$
    select i.index,
           case when i.status = 'failed' then jsonb_build_object('error', i.error)::text
                when cardinality(p_sinks) = 1 then o.outputs ->> 0
                else o.named::text end,
           o.refs
      from (select i.* from iteration i
             where i.execution_id = p_execution and i.key = p_key and i.loop_path = p_path and i.index > p_after
             order by i.index limit p_limit) i
      left join lateral (
            select jsonb_agg(n.output::text) as outputs,
                   coalesce(jsonb_object_agg(n.key, n.output) filter (where n.status <> 'skipped'), '{}') as named,
                   jsonb_object_agg(n.key, n.output_ref) filter (where n.output_ref is not null) as refs
              from node_run n
             where n.execution_id = p_execution and n.key = any (p_sinks) and n.path = i.path) o on i.status <> 'failed'
     order by i.index
$$;

-- Iterations end with their execution, where that fails or is cancelled.
create function iterations_stopped_v1() returns trigger language plpgsql as $$
begin
    update iteration i set status = 'cancelled', finished_at = clock_timestamp() where i.execution_id = new.id and i.status in ('running', 'pending');
    return null;
end $$;

create trigger execution_stops_iterations after update of status on execution for each row
    when (new.status in ('cancelling', 'failed', 'cancelled') and old.status is distinct from new.status)
    execute function iterations_stopped_v1();
