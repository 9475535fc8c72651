-- Starts from within an execution and from SQL count for quotas, as those over HTTP do.

-- As before, and it counts:
--   p_child  {…, "limits": as of quota_take_v1 | absent, "is_owed": bool | absent}
-- A child for which there is no room raises SFQ01, which undoes the whole settlement; one that is owed is counted and never refused.
create or replace function start_child_v1(p_execution uuid, p_node_run bigint, p_child jsonb) returns void language plpgsql as $$
declare
    v execution;
begin
    select e.* into v from execution e where e.id = p_execution;
    if p_child->>'max_concurrency' is not null then
        perform start_in_line_v1(v.workspace_id, (p_child->>'workflow')::uuid, (p_child->>'version')::uuid,
                                 jsonb_build_array(p_child - 'entries'), p_child->'entries', 'workflow', p_child->>'priority', v.started_by_id,
                                 (p_child->>'timeout_seconds')::double precision, interval '15 s', null);
    else
        perform start_v1(v.workspace_id, (p_child->>'workflow')::uuid, (p_child->>'version')::uuid,
                         jsonb_build_array(jsonb_build_object('id', p_child->'id', 'input', p_child->'input', 'variables', p_child->'variables')),
                         p_child->'entries', 'workflow', p_child->>'priority', v.started_by_id,
                         least((p_child->>'timeout_seconds')::double precision, max_seconds_v1(v.workspace_id)), interval '15 s');
    end if;
    update execution e
       set parent_node_run_id = p_node_run, parent_try = (p_child->>'try')::int, parent_waits = (p_child->>'waits')::boolean, depth = v.depth + 1
     where e.id = (p_child->>'id')::uuid;
    if p_child ? 'limits' then
        if (p_child->>'is_owed')::boolean then
            perform quota_count_v1(p_child->'limits', 1);
        else
            perform quota_take_v1(p_child->'limits', 1);
        end if;
    end if;
end $$;

-- As before, under the limits of a start over HTTP: it stands in line for those on executions at a time, and what is over a quota raises
-- SFQ01, "quota exceeded: …". A start that its idempotency key had made before counts nothing.
create or replace function structforge_start(workflow uuid, input jsonb default '{}', idempotency_key text default null)
returns uuid language plpgsql as $$
declare
    v workflow_version;
    v_archived_at timestamptz;
    v_id uuid;
    v_is_new boolean;
    v_limits jsonb;
begin
    select wv.* into v from workflow w join workflow_version wv on wv.id = w.published_version_id where w.id = workflow;
    if not found then
        raise exception 'workflow % does not exist or has no published version', workflow using errcode = 'no_data_found';
    end if;
    select w.archived_at into v_archived_at from workflow w where w.id = workflow;
    if v_archived_at is not null then
        raise exception 'workflow % is archived', workflow using errcode = 'object_not_in_prerequisite_state';
    end if;
    select s.execution_id, s.is_new into v_id, v_is_new from start_in_line_v1(
        v.workspace_id, v.workflow_id, v.id,
        jsonb_build_array(jsonb_build_object(
            'id', gen_random_uuid(), 'input', input, 'variables', v.start->'variables', 'idempotency_key', idempotency_key,
            'concurrency_key', case when v.start->>'concurrency_key' is null then '' end, 'max_concurrency', v.start->'max_concurrency')),
        v.start->'entries', 'sql', coalesce(v.start->>'priority', 'normal'), null, (v.start->>'timeout_seconds')::double precision,
        interval '0', null) s;
    v_limits := quota_limits_v1(v.workspace_id, null);
    if v_is_new and v_limits is not null then
        perform quota_take_v1(v_limits, 1);
    end if;
    return v_id;
end $$;
