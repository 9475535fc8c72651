-- Record that iterations have ended well, any of any loops: [{"key": loop, "path"}]; the loops go on. One that has ended before counts for
-- nothing. The caller holds the lock on the execution.
-- Returns {"ready": [{"key","path","queue"}], "open": rows made}.
create function end_iterations_v1(p_execution uuid, p_workspace uuid, p_ends jsonb, p_due interval, p_now timestamptz)
returns jsonb language plpgsql as $$
declare
    o record;
    v_count int;
    v_more jsonb;
    v_ready jsonb := '[]';
    v_open int := 0;
begin
    for o in
        select e.key, regexp_replace(e.path, '\.?[0-9]+$', '') as loop_path, array_agg(substring(e.path from '[0-9]+$')::int) as indexes
          from jsonb_to_recordset(p_ends) as e(key text, path text) group by 1, 2 order by 1, 2
    loop
        -- Written so that the index of what runs is out of the question: the planner, for want of statistics, would read all of it each time.
        update iteration i set status = 'success', error = null, finished_at = p_now
         where i.execution_id = p_execution and i.key = o.key and i.loop_path = o.loop_path and i.index = any (o.indexes)
           and i.status || '' = 'running';
        get diagnostics v_count = row_count;
        if v_count > 0 then
            update loop_run r set running = r.running - v_count, succeeded = r.succeeded + v_count
             where r.execution_id = p_execution and r.key = o.key and r.path = o.loop_path;
            v_more := advance_loop_v1(p_execution, p_workspace, o.key, o.loop_path, p_due, p_now);
            v_ready := v_ready || (v_more->'ready');
            v_open := v_open + (v_more->>'open')::int;
        end if;
    end loop;
    return jsonb_build_object('ready', v_ready, 'open', v_open);
end $$;

-- Record how claimed node runs of one execution ended, and queue what follows: one lock, one commit. As settle_v2, but iterations that ended
-- well are counted together, however many of them these settlements end.
--
-- p_settlements, one for each claimed node run:
--   {"key": str, "path": str, "token": uuid,
--    "rows":  [{"key", "path", "status", "port", "output", "output_ref", "error", "input", "queue", "lost",
--               "started_ms", "finished_ms", "delay_seconds", "wake_at", "waits_for", "state"}],
--    "next":  [{"key", "path", "queue", "lost"}],
--    "gates": [{"key", "path", "settled", "live", "expected", "needed", "queue", "lost", "loses": {} | absent, "ends": str | absent}],
--    "variables": {} | null, "failure": {} | null, "output": any | absent,
--    "loop", "iterations": as of run_loop_v1 | absent,
--    "ends":  [{"key": loop, "path", "error": {} | null}] | absent,
--    "stops": [{"here": [key], "inside": [key], "path": str}] | absent,
--    "child": as of start_child_v1 | absent}
-- rows[0] is the claimed node run, the others rode along; *_ms are milliseconds ago. `next` starts now, `gates` count arrivals at joins. A
-- gate with `ends` is the end of an iteration of that loop, `ends` are iterations that ended without one, `loses` and `stops` name what is
-- cancelled with it. `path` is that of the settlement where it is absent.
--
-- Returns {"applied": [bool], "status", "sequence", "workspace", "priority", "ready": [{"key","path","queue"}], "changes": [...],
-- "parent": id of the node run that waits for this execution, which has ended | null}; `applied` is false where the claim was lost:
-- nothing is written then. Repeated with a token that has settled already: applied, and all that is queued in the execution, because the
-- first answer may never have arrived. What follows of a node run that was asked to stop is not written.
create function settle_v3(p_execution uuid, p_due interval, p_settlements jsonb) returns jsonb language plpgsql as $$
declare
    v_now timestamptz;
    v_status text;
    v_workspace uuid;
    v_priority text;
    v_sequence bigint;
    d jsonb;
    r jsonb;
    v_applied boolean[] := '{}';
    v_replayed boolean := false;
    v_wrote boolean := false;
    v_open int := 0;
    v_failure jsonb;
    v_variables jsonb := '{}';
    v_output jsonb;
    v_output_ref text;
    v_settled constant text[] := array['success', 'failed', 'skipped', 'cancelled'];
    v_to text;
    v_changes jsonb := '[]';
    v_more jsonb;
    v_ready jsonb := '[]';
    v_count int;
    v_run bigint;
    v_is_stopped boolean;
    v_ends jsonb;
    v_stops jsonb;
    v_one jsonb;
    v_again jsonb := '[]';
    v_parent bigint;
    v_ended jsonb := '[]';
begin
    select e.status, e.workspace_id, e.priority into v_status, v_workspace, v_priority
      from execution e where e.id = p_execution for no key update;
    v_now := clock_timestamp();

    for d in select value from jsonb_array_elements(p_settlements) loop
        r := d->'rows'->0;
        v_to := r->>'status';
        if v_status = 'cancelling' and v_to <> all (v_settled) then
            v_to := 'cancelled';
        end if;
        update node_run n
           set status = v_to, revision = n.revision + 1, lease_until = null, due_at = case when v_to = 'queued' then v_now + p_due end, port = r->>'port',
               output = r->'output', output_ref = r->>'output_ref', error = nullif(r->'error', 'null'), input = nullif(r->'input', 'null'),
               finished_at = case when v_to = any (v_settled) then v_now end,
               wake_at = case when v_to in ('retrying', 'waiting')
                              then coalesce((r->>'wake_at')::timestamptz, v_now + make_interval(secs => (r->>'delay_seconds')::double precision)) end,
               waits_for = case when v_to = 'waiting' then r->>'waits_for' end,
               deferred = case when v_to in ('waiting', 'queued') then jsonb_build_object('state', r->'state') end
         where n.execution_id = p_execution and n.key = d->>'key' and n.path = d->>'path'
           and n.status = 'running' and n.claim_token = (d->>'token')::uuid
        returning jsonb_build_array(jsonb_build_object('key', n.key, 'path', n.path, 'status', n.status, 'attempt', n.attempt,
                  'revision', n.revision, 'port', n.port, 'error', n.error, 'wake_at', n.wake_at)), n.id, n.stop_requested_at is not null
           into v_more, v_run, v_is_stopped;
        if not found then
            perform 1 from node_run n
              where n.execution_id = p_execution and n.key = d->>'key' and n.path = d->>'path'
                and n.claim_token = (d->>'token')::uuid and n.status <> 'running';
            v_applied := v_applied || found;
            v_replayed := v_replayed or found;
            continue;
        end if;
        v_applied := v_applied || true;
        v_wrote := true;
        if v_is_stopped and v_to <> all (v_settled) then
            v_to := 'cancelled';
            update node_run n
               set status = v_to, finished_at = v_now, due_at = null, wake_at = null, waits_for = null, deferred = null where n.id = v_run;
            v_more := jsonb_build_array(v_more->0 || '{"status": "cancelled", "wake_at": null}');
        elsif v_to = 'queued' then
            v_again := v_again || jsonb_build_array(jsonb_build_object('key', d->>'key', 'path', d->>'path', 'queue', r->>'queue'));
        end if;
        v_changes := v_changes || v_more;
        if v_to = any (v_settled) then
            v_open := v_open - 1;
        end if;

        if jsonb_array_length(d->'rows') > 1 then
            with born as (
                insert into node_run as n (workspace_id, execution_id, key, path, status, revision, attempt, losses, queue, worker, on_worker_lost,
                       queued_at, started_at, finished_at, sends, port, input, output, output_ref, error, wake_at, waits_for, deferred)
                select v_workspace, p_execution, x.key, coalesce(x.path, d->>'path'),
                       case when (v_status = 'cancelling' or v_is_stopped) and x.status <> all (v_settled) then 'cancelled' else x.status end,
                       1, 1, 0, x.queue, '', x.lost,
                       v_now - make_interval(secs => x.started_ms / 1000), v_now - make_interval(secs => x.started_ms / 1000),
                       case when x.status = any (v_settled) or v_status = 'cancelling' or v_is_stopped
                            then v_now - make_interval(secs => x.finished_ms / 1000) end,
                       0, x.port, nullif(x.input, 'null'), x.output, x.output_ref, nullif(x.error, 'null'),
                       case when x.status = any (v_settled) or v_status = 'cancelling' or v_is_stopped then null
                            else coalesce(x.wake_at, v_now + make_interval(secs => x.delay_seconds)) end,
                       case when x.status = 'waiting' then x.waits_for end,
                       case when x.status = 'waiting' then jsonb_build_object('state', x.state) end
                  from jsonb_to_recordset((d->'rows') - 0)
                       as x(key text, path text, status text, port text, output jsonb, output_ref text, error jsonb, input jsonb, queue text, lost text,
                            started_ms double precision, finished_ms double precision, delay_seconds double precision,
                            wake_at timestamptz, waits_for text, state jsonb)
                returning n.key, n.path, n.status, n.port, n.error, n.wake_at
            )
            select jsonb_agg(jsonb_build_object('key', b.key, 'path', b.path, 'status', b.status, 'attempt', 1, 'revision', 1,
                             'port', b.port, 'error', b.error, 'wake_at', b.wake_at)),
                   count(*) filter (where b.status <> all (v_settled))
              into v_more, v_count from born b;
            v_changes := v_changes || v_more;
            v_open := v_open + v_count;
        end if;

        if v_is_stopped then
            continue;
        end if;
        v_failure := coalesce(v_failure, nullif(d->'failure', 'null'));
        v_variables := v_variables || coalesce(nullif(d->'variables', 'null'), '{}');
        v_output := coalesce(d->'output', v_output);
        v_output_ref := coalesce(d->>'output_ref', v_output_ref);

        v_ends := coalesce(d->'ends', '[]');
        v_stops := coalesce(d->'stops', '[]');
        if d ? 'loop' then
            perform run_loop_v1(p_execution, v_workspace, d->>'key', d->>'path', d->'loop', d->'iterations', v_now);
        end if;
        if d ? 'child' and v_status <> 'cancelling' then
            perform start_child_v1(p_execution, v_run, d->'child');
        end if;
        if v_status <> 'cancelling' and v_failure is null
           and (jsonb_array_length(d->'next') > 0 or jsonb_array_length(d->'gates') > 0) then
            with arriving as (
                select g.*, coalesce(g.path, d->>'path') as at from jsonb_to_recordset(d->'gates')
                    as g(key text, path text, settled int, live int, expected int, needed int, queue text, lost text, loses jsonb, ends text)
            ), counted as (
                insert into gate as g (workspace_id, execution_id, key, path, expected, needed, settled, live)
                select v_workspace, p_execution, a.key, a.at, a.expected, a.needed, a.settled, a.live from arriving a order by a.key, a.at
                on conflict (execution_id, key, path) do update
                    set settled = g.settled + excluded.settled, live = g.live + excluded.live
                returning g.key, g.path, g.settled = g.expected or g.live >= g.needed as is_open
            ), starting as (
                select n.key, coalesce(n.path, d->>'path') as path, n.queue, n.lost
                  from jsonb_to_recordset(d->'next') as n(key text, path text, queue text, lost text)
                union all
                select a.key, a.at, a.queue, a.lost from counted c join arriving a on a.key = c.key and a.at = c.path
                 where c.is_open and a.ends is null
            ), queued as (
                insert into node_run as n (workspace_id, execution_id, key, path, status, revision, attempt, losses, queue, worker,
                                           on_worker_lost, queued_at, due_at, sends)
                select v_workspace, p_execution, s.key, s.path, 'queued', 1, 1, 0, s.queue, '', s.lost, v_now, v_now + p_due, 0
                  from starting s
                -- A join that started early meets its later arrivals here.
                on conflict (execution_id, key, path) do nothing
                returning n.key, n.path, n.queue
            )
            select coalesce(jsonb_agg(jsonb_build_object('key', q.key, 'path', q.path, 'queue', q.queue)), '[]'), count(*),
                   v_ends || coalesce((select jsonb_agg(jsonb_build_object('key', a.ends, 'path', a.at, 'error', null))
                                         from counted c join arriving a on a.key = c.key and a.at = c.path
                                        where c.is_open and a.ends is not null), '[]'),
                   v_stops || coalesce((select jsonb_agg(a.loses || jsonb_build_object('path', a.at))
                                          from queued o join arriving a on a.key = o.key and a.at = o.path where a.loses is not null), '[]')
              into v_more, v_count, v_ends, v_stops from queued q;
            v_ready := v_ready || v_more;
            v_open := v_open + v_count;
        end if;
        if v_status = 'cancelling' or v_failure is not null then
            continue;
        end if;

        v_ended := v_ended || jsonb_path_query_array(v_ends, '$[*] ? (@.error == null)');
        v_ends := jsonb_path_query_array(v_ends, '$[*] ? (@.error != null)');
        -- What ended before this one is counted before this one stops anything.
        if v_ended <> '[]' and (v_ends <> '[]' or v_stops <> '[]') then
            v_more := end_iterations_v1(p_execution, v_workspace, v_ended, p_due, v_now);
            v_open := v_open + (v_more->>'open')::int;
            v_ready := v_ready || (v_more->'ready');
            v_ended := '[]';
        end if;
        for v_one in select value from jsonb_array_elements(v_stops) loop
            v_more := stop_part_v1(p_execution, array(select jsonb_array_elements_text(v_one->'here')),
                                   array(select jsonb_array_elements_text(v_one->'inside')), v_one->>'path', v_now);
            v_changes := v_changes || (v_more->'changes');
            v_open := v_open - (v_more->>'count')::int;
            v_ready := without_stopped_v1(v_ready, v_more->'changes');
        end loop;
        for v_one in select value from jsonb_array_elements(v_ends) loop
            v_more := end_iteration_v1(p_execution, v_workspace, v_one->>'key', v_one->>'path',
                                       nullif(v_one->'error', 'null'), p_due, v_now);
            v_changes := v_changes || (v_more->'changes');
            v_open := v_open + (v_more->>'open')::int;
            v_ready := without_stopped_v1(v_ready, v_more->'changes') || (v_more->'ready');
        end loop;
        if d ? 'loop' and v_to = 'waiting' then
            v_more := advance_loop_v1(p_execution, v_workspace, d->>'key', d->>'path', p_due, v_now);
            v_open := v_open + (v_more->>'open')::int;
            v_ready := v_ready || (v_more->'ready');
        end if;
    end loop;
    if v_ended <> '[]' then
        v_more := end_iterations_v1(p_execution, v_workspace, v_ended, p_due, v_now);
        v_open := v_open + (v_more->>'open')::int;
        v_ready := v_ready || (v_more->'ready');
    end if;

    if not v_wrote then
        if v_replayed then
            select coalesce(jsonb_agg(jsonb_build_object('key', n.key, 'path', n.path, 'queue', n.queue)), '[]')
              into v_ready from node_run n where n.execution_id = p_execution and n.status = 'queued';
        end if;
        return jsonb_build_object('applied', to_jsonb(v_applied), 'status', v_status, 'sequence', null, 'workspace', v_workspace,
                                  'priority', v_priority, 'ready', v_ready, 'changes', '[]'::jsonb, 'parent', null);
    end if;

    if v_failure is not null or v_status = 'cancelling' then
        with stopped as (
            update node_run n set status = 'cancelled', revision = n.revision + 1, finished_at = v_now, due_at = null, wake_at = null
             where n.execution_id = p_execution and n.status in ('queued', 'waiting', 'retrying', 'uncertain')
            returning n.key, n.path, n.status, n.attempt, n.revision
        )
        select coalesce(jsonb_agg(to_jsonb(s)), '[]'), count(*) into v_more, v_count from stopped s;
        -- What this very call queued has been stopped again: nobody may hear of it as ready.
        v_ready := '[]';
        v_again := '[]';
        v_changes := v_changes || v_more;
        v_open := v_open - v_count;
    end if;
    select v_changes || coalesce(jsonb_agg('{"status": "queued", "attempt": 1, "revision": 1}' || q), '[]')
      into v_changes from jsonb_array_elements(v_ready) q;

    update execution e
       set open_nodes = e.open_nodes + v_open,
           event_seq = e.event_seq + 1,
           variables = case when v_variables = '{}' then e.variables else e.variables || v_variables end,
           output = coalesce(v_output, e.output),
           output_ref = coalesce(v_output_ref, e.output_ref),
           error = coalesce(e.error, v_failure),
           cancelling_since = case when v_failure is not null then coalesce(e.cancelling_since, v_now) else e.cancelling_since end,
           status = case when e.open_nodes + v_open > 0 then case when v_failure is null then e.status else 'cancelling' end
                         when coalesce(e.error, v_failure) is not null then 'failed'
                         when e.cancel_requested then 'cancelled'
                         else 'success' end,
           finished_at = case when e.open_nodes + v_open = 0 then v_now end
     where e.id = p_execution
    returning e.status, e.event_seq, e.parent_node_run_id into v_status, v_sequence, v_parent;
    insert into execution_event (workspace_id, execution_id, sequence, kind, at, status, changes)
    values (v_workspace, p_execution, v_sequence, 'settled', v_now, v_status, v_changes);

    return jsonb_build_object('applied', to_jsonb(v_applied), 'status', v_status, 'sequence', v_sequence, 'workspace', v_workspace,
                              'priority', v_priority, 'ready', v_ready || v_again, 'changes', v_changes, 'at', v_now,
                              'parent', case when v_status in ('success', 'failed', 'cancelled') then v_parent end);
end $$;
