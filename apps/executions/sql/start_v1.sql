-- Make executions of one version, with their first node runs queued.
--
-- p_starts    [{"id": uuid, "input": {}, "variables": {}, "business_key": str, "idempotency_key": str | null}]
-- p_entries   [{"key": str, "queue": str, "lost": "rerun" | "ask" | "fail"}]
-- p_due       when a node run that nobody claimed is sent (again)
-- Returns one row for each start, in order: the execution, and whether it is new. A start whose idempotency key was used before
-- returns the execution that this key made.
create function start_v1(
    p_workspace uuid, p_workflow uuid, p_version uuid, p_starts jsonb, p_entries jsonb,
    p_trigger text, p_priority text, p_started_by uuid, p_timeout_seconds double precision, p_due interval
) returns table (execution_id uuid, is_new boolean) language plpgsql as $$
declare
    v_now timestamptz := clock_timestamp();
    v_made uuid[];
begin
    with wanted as (
        select s.* from rows from (jsonb_to_recordset(p_starts)
            as (id uuid, input jsonb, variables jsonb, business_key text, idempotency_key text)) with ordinality
            as s(id, input, variables, business_key, idempotency_key, ordinality)
    ), made as (
        insert into execution as e (
            id, workspace_id, workflow_id, version_id, status, open_nodes, event_seq, priority, trigger, business_key, idempotency_key,
            input, variables, cancel_requested, started_by_id, created_at, started_at, deadline_at)
        select w.id, p_workspace, p_workflow, p_version, 'running', jsonb_array_length(p_entries), 1, p_priority, p_trigger,
               coalesce(w.business_key, ''), w.idempotency_key, coalesce(w.input, '{}'), coalesce(w.variables, '{}'), false,
               p_started_by, v_now, v_now, v_now + make_interval(secs => p_timeout_seconds)
          from wanted w
        on conflict (workflow_id, idempotency_key) where idempotency_key is not null do nothing
        returning e.id, e.idempotency_key
    ), runs as (
        insert into node_run (workspace_id, execution_id, key, path, status, revision, attempt, losses, queue, worker, on_worker_lost,
                              queued_at, due_at, sends)
        select p_workspace, m.id, n.key, '', 'queued', 1, 1, 0, n.queue, '', n.lost, v_now, v_now + p_due, 0
          from made m, jsonb_to_recordset(p_entries) as n(key text, queue text, lost text)
    ), history as (
        insert into execution_event (workspace_id, execution_id, sequence, kind, at, status, changes)
        select p_workspace, m.id, 1, 'started', v_now, 'running',
               (select jsonb_agg(jsonb_build_object('key', n->>'key', 'path', '', 'status', 'queued', 'attempt', 1, 'revision', 1))
                  from jsonb_array_elements(p_entries) n)
          from made m
    )
    select array_agg(m.id) into v_made from made m;

    -- A statement of its own: where the insert had to wait for another transaction with the same key, only a new one sees what that made.
    return query
    select coalesce(mine.id, earlier.id), mine.id is not null
      from rows from (jsonb_to_recordset(p_starts) as (id uuid, idempotency_key text)) with ordinality
           as w(id, idempotency_key, ordinality)
      left join unnest(v_made) as mine(id) on mine.id = w.id
      left join execution earlier on mine.id is null and earlier.workflow_id = p_workflow and earlier.idempotency_key = w.idempotency_key
     order by w.ordinality;
end $$;

-- Start the published version of a workflow from SQL, in the caller's transaction. The sweepers send its first node runs at once.
create function structforge_start(workflow uuid, input jsonb default '{}', idempotency_key text default null)
returns uuid language plpgsql as $$
declare
    v workflow_version;
    v_id uuid;
begin
    select wv.* into v from workflow w join workflow_version wv on wv.id = w.published_version_id where w.id = workflow;
    if not found then
        raise exception 'workflow % does not exist or has no published version', workflow using errcode = 'no_data_found';
    end if;
    select s.execution_id into v_id from start_v1(
        v.workspace_id, v.workflow_id, v.id,
        jsonb_build_array(jsonb_build_object(
            'id', gen_random_uuid(), 'input', input, 'variables', v.start->'variables', 'idempotency_key', idempotency_key)),
        v.start->'entries', 'sql', coalesce(v.start->>'priority', 'normal'), null, (v.start->>'timeout_seconds')::double precision,
        interval '0') s;
    return v_id;
end $$;
