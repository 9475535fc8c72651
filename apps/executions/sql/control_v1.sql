-- What people and clocks do to executions. Lock order everywhere: the execution, then its node runs.

-- Cancel what runs nowhere, count it, and end the execution if nothing is left. The caller holds the lock and has set the status.
create function stop_open_nodes_v1(p_execution uuid, p_kind text, p_take_claims boolean) returns jsonb language plpgsql as $$
declare
    v_now timestamptz := clock_timestamp();
    v_changes jsonb;
    v_count int;
    v_status text;
    v_sequence bigint;
    v_workspace uuid;
begin
    with stopped as (
        update node_run n
           set status = 'cancelled', revision = n.revision + 1, finished_at = v_now, due_at = null, wake_at = null, lease_until = null,
               claim_token = case when n.status = 'running' then null else n.claim_token end
         where n.execution_id = p_execution
           and (n.status in ('queued', 'waiting', 'retrying', 'uncertain') or p_take_claims and n.status = 'running')
        returning n.key, n.path, n.status, n.attempt, n.revision
    )
    select coalesce(jsonb_agg(to_jsonb(s)), '[]'), count(*) into v_changes, v_count from stopped s;
    update execution e
       set open_nodes = e.open_nodes - v_count, event_seq = e.event_seq + 1,
           status = case when e.open_nodes > v_count then e.status when e.error is not null then 'failed' else 'cancelled' end,
           finished_at = case when e.open_nodes = v_count then v_now end
     where e.id = p_execution
    returning e.status, e.event_seq, e.workspace_id into v_status, v_sequence, v_workspace;
    insert into execution_event (workspace_id, execution_id, sequence, kind, at, status, changes)
    values (v_workspace, p_execution, v_sequence, p_kind, v_now, v_status, v_changes);
    return jsonb_build_object('status', v_status, 'sequence', v_sequence, 'changes', v_changes, 'at', v_now, 'was', 'open');
end $$;

-- Ask an execution to stop. `p_error` null: a person asked, it ends as cancelled; else it ends as failed with that error.
-- Returns as stop_open_nodes_v1, with "was" = the status before; null status when there is no such execution.
create function cancel_v1(p_execution uuid, p_error jsonb) returns jsonb language plpgsql as $$
declare
    v_status text;
begin
    select e.status into v_status from execution e where e.id = p_execution for no key update;
    if not found or v_status in ('success', 'failed', 'cancelled', 'cancelling') then
        return jsonb_build_object('status', v_status, 'was', v_status);
    end if;
    update execution e
       set status = 'cancelling', cancel_requested = p_error is null, error = coalesce(e.error, p_error), cancelling_since = clock_timestamp()
     where e.id = p_execution;
    return stop_open_nodes_v1(p_execution, 'cancelling', false) || jsonb_build_object('was', v_status);
end $$;

-- running <-> paused. Returns {"status", "was", "sequence", "priority", "version", "ready": [{"key","path","queue"}]}; on resume all that is
-- queued is ready, and is due anew.
create function pause_v1(p_execution uuid, p_pause boolean, p_due interval) returns jsonb language plpgsql as $$
declare
    v_now timestamptz := clock_timestamp();
    v_status text;
    v_ready jsonb := '[]';
    v_row record;
begin
    select e.status into v_status from execution e where e.id = p_execution for no key update;
    if not found or v_status <> (case when p_pause then 'running' else 'paused' end) then
        return jsonb_build_object('status', v_status, 'was', v_status);
    end if;
    update execution e set status = case when p_pause then 'paused' else 'running' end, event_seq = e.event_seq + 1
     where e.id = p_execution returning e.* into v_row;
    if not p_pause then
        with due as (
            update node_run n set queued_at = v_now, due_at = v_now + p_due, sends = 0 where n.execution_id = p_execution and n.status = 'queued'
            returning n.key, n.path, n.queue
        )
        select coalesce(jsonb_agg(to_jsonb(d)), '[]') into v_ready from due d;
    end if;
    insert into execution_event (workspace_id, execution_id, sequence, kind, at, status, changes)
    values (v_row.workspace_id, p_execution, v_row.event_seq, case when p_pause then 'paused' else 'resumed' end, v_now, v_row.status, '[]');
    return jsonb_build_object('status', v_row.status, 'was', v_status, 'sequence', v_row.event_seq, 'priority', v_row.priority,
                              'version', v_row.version_id, 'ready', v_ready, 'changes', '[]'::jsonb, 'at', v_now);
end $$;

-- Wake a node run that waits for a signal of this name, once. Returns {"key","path","queue",…} or null when it does not wait for it (any more).
create function signal_v1(p_execution uuid, p_key text, p_path text, p_signal text, p_payload jsonb, p_due interval)
returns jsonb language sql as $$
    with locked as (
        select e.id, e.priority, e.version_id from execution e where e.id = p_execution for no key update
    ), woken as (
        update node_run n
           set status = 'queued', revision = n.revision + 1, wake_at = null, waits_for = null, queued_at = clock_timestamp(),
               due_at = clock_timestamp() + p_due, sends = 0,
               deferred = n.deferred || jsonb_build_object('signal', p_payload)
          from locked
         where n.execution_id = locked.id and n.key = p_key and n.path = p_path and n.status = 'waiting' and n.waits_for = p_signal
        returning n.key, n.path, n.queue, n.status, n.attempt, n.revision, locked.priority, locked.version_id
    )
    select to_jsonb(w) from woken w
$$;

-- A person says how an uncertain node run goes on. `rerun` queues it; otherwise the person holds the claim `p_token`, and settles with it.
-- Returns {"execution","key","path","queue","attempt","revision","status","workspace","priority","version"} or null when it is not uncertain.
create function resolve_uncertain_v1(p_node_run bigint, p_rerun boolean, p_token uuid, p_due interval) returns jsonb language plpgsql as $$
declare
    v_execution uuid;
    v_result jsonb;
begin
    select n.execution_id into v_execution from node_run n where n.id = p_node_run;
    perform 1 from execution e where e.id = v_execution for no key update;
    update node_run n
       set status = case when p_rerun then 'queued' else 'running' end, revision = n.revision + 1,
           queued_at = case when p_rerun then clock_timestamp() else n.queued_at end,
           due_at = case when p_rerun then clock_timestamp() + p_due end, sends = 0, effect_started_at = null,
           attempt = n.attempt + p_rerun::int,
           claim_token = case when p_rerun then null else p_token end,
           lease_until = case when p_rerun then null else clock_timestamp() + interval '30 s' end
      from execution e
     where n.id = p_node_run and n.status = 'uncertain' and e.id = n.execution_id and e.status in ('running', 'paused')
    returning jsonb_build_object('execution', n.execution_id, 'key', n.key, 'path', n.path, 'queue', n.queue, 'attempt', n.attempt,
              'revision', n.revision, 'status', n.status, 'workspace', n.workspace_id, 'priority', e.priority, 'version', e.version_id) into v_result;
    return v_result;
end $$;
