-- A test run stops before a node by waiting for `breakpoint`; these let it go on, and change what the node is going to read.

-- Wake what is stopped: the node run named, or with p_key null all of them; from now on it stops before every node, or before its breakpoints
-- alone. Returns {"outcome": "moved" | "not_test" | "not_stopped", "status", "sequence", "at", "priority", "version", "changes", "ready"}.
create function go_on_v1(p_execution uuid, p_key text, p_path text, p_is_stepping boolean, p_due interval) returns jsonb language plpgsql as $$
declare
    v_now timestamptz := clock_timestamp();
    v_execution execution;
    v_changes jsonb;
begin
    select e.* into v_execution from execution e where e.id = p_execution for no key update;
    if not found or v_execution.breakpoints is null then
        return jsonb_build_object('outcome', 'not_test');
    end if;
    with woken as (
        update node_run n
           set status = 'queued', revision = n.revision + 1, wake_at = null, waits_for = null, queued_at = v_now, due_at = v_now + p_due,
               sends = 0, deferred = n.deferred || '{"signal": true}'
         where n.execution_id = p_execution and n.status = 'waiting' and n.waits_for = 'breakpoint'
           and (p_key is null or n.key = p_key and n.path = p_path) and v_execution.status in ('running', 'paused')
        returning n.key, n.path, n.queue, n.status, n.attempt, n.revision
    )
    select coalesce(jsonb_agg(to_jsonb(w)), '[]') into v_changes from woken w;
    if v_changes = '[]' then
        return jsonb_build_object('outcome', 'not_stopped', 'status', v_execution.status);
    end if;
    update execution e
       set event_seq = e.event_seq + 1, breakpoints = e.breakpoints || jsonb_build_object('is_stepping', p_is_stepping)
     where e.id = p_execution returning e.* into v_execution;
    insert into execution_event (workspace_id, execution_id, sequence, kind, at, status, changes)
    values (v_execution.workspace_id, p_execution, v_execution.event_seq, case when p_is_stepping then 'stepped' else 'continued' end, v_now,
            v_execution.status, v_changes);
    return jsonb_build_object('outcome', 'moved', 'status', v_execution.status, 'sequence', v_execution.event_seq, 'at', v_now, 'changes', v_changes,
                              'ready', v_changes, 'priority', v_execution.priority, 'version', v_execution.version_id);
end $$;

-- Change variables, and outputs of nodes that have ended, of a test run that is stopped; history keeps what they were.
-- p_outputs   [{"key", "path", "output"}]
-- Returns {"outcome": "moved" | "not_test" | "not_stopped" | "no_output", "key" of what has no output, "status", "sequence", "at", "changes"}.
create function edit_v1(p_execution uuid, p_variables jsonb, p_outputs jsonb, p_by text) returns jsonb language plpgsql as $$
declare
    v_now timestamptz := clock_timestamp();
    v_execution execution;
    v_changes jsonb;
    v_missing text;
    v_before jsonb;
begin
    select e.* into v_execution from execution e where e.id = p_execution for no key update;
    if not found or v_execution.breakpoints is null then
        return jsonb_build_object('outcome', 'not_test');
    end if;
    if v_execution.status not in ('running', 'paused') or not exists (
        select from node_run n where n.execution_id = p_execution and n.status = 'waiting' and n.waits_for = 'breakpoint')
    then
        return jsonb_build_object('outcome', 'not_stopped', 'status', v_execution.status);
    end if;
    select o.key into v_missing from jsonb_to_recordset(p_outputs) as o(key text, path text)
     where not exists (select from node_run n where n.execution_id = p_execution and n.key = o.key and n.path = o.path and n.status = 'success');
    if found then
        return jsonb_build_object('outcome', 'no_output', 'key', v_missing);
    end if;
    with given as (
        select o.key, o.path, o.output, n.id, n.output as before
          from jsonb_to_recordset(p_outputs) as o(key text, path text, output jsonb)
          join node_run n on n.execution_id = p_execution and n.key = o.key and n.path = o.path
    ), edited as (
        update node_run n set output = g.output, output_ref = null, revision = n.revision + 1 from given g where n.id = g.id
        returning n.key, n.path, n.attempt, n.revision, n.port, g.before, n.output as after
    )
    select coalesce(jsonb_agg(to_jsonb(e) || jsonb_build_object('status', 'edited', 'by', p_by)), '[]') into v_changes from edited e;
    select coalesce(jsonb_object_agg(k, v_execution.variables->k), '{}') into v_before from jsonb_object_keys(p_variables) k;
    if p_variables <> '{}' then
        v_changes := v_changes || jsonb_build_array(jsonb_build_object(
            'key', '$variables', 'path', '', 'status', 'edited', 'attempt', 1, 'revision', 0, 'before', v_before, 'after', p_variables, 'by', p_by));
    end if;
    update execution e set event_seq = e.event_seq + 1, variables = e.variables || p_variables
     where e.id = p_execution returning e.* into v_execution;
    insert into execution_event (workspace_id, execution_id, sequence, kind, at, status, changes)
    values (v_execution.workspace_id, p_execution, v_execution.event_seq, 'edited', v_now, v_execution.status, v_changes);
    return jsonb_build_object('outcome', 'moved', 'status', v_execution.status, 'sequence', v_execution.event_seq, 'at', v_now, 'changes', '[]'::jsonb);
end $$;
