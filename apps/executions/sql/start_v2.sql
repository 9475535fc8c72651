-- As start_v1, for everybody who may: it writes as the owner of the tables, since the rows of an execution that are made in one statement
-- are not yet there for the policies of the others. So it asks itself whether the web role's caller reaches the version.
create or replace function start_v2(
    p_workspace uuid, p_workflow uuid, p_version uuid, p_starts jsonb, p_entries jsonb,
    p_trigger text, p_priority text, p_started_by uuid, p_timeout_seconds double precision, p_due interval
) returns table (execution_id uuid, is_new boolean) language plpgsql security definer as $$
begin
    if current_setting('role') = 'structforge_web' and not exists (
        select from workflow_version v
         where v.id = p_version and v.workflow_id = p_workflow and v.workspace_id = p_workspace
           and (v.workspace_id = any (fence_workspaces()) or v.workflow_id = any (fence_workflows())))
    then
        raise exception 'there is no version % of workflow % within reach', p_version, p_workflow using errcode = 'insufficient_privilege';
    end if;
    return query select s.execution_id, s.is_new from start_v1(
        p_workspace, p_workflow, p_version, p_starts, p_entries, p_trigger, p_priority, p_started_by, p_timeout_seconds, p_due) s;
end $$;

-- Start the published version of a workflow from SQL, in the caller's transaction. The sweepers send its first node runs at once.
create or replace function structforge_start(workflow uuid, input jsonb default '{}', idempotency_key text default null)
returns uuid language plpgsql as $$
declare
    v workflow_version;
    v_archived_at timestamptz;
    v_id uuid;
begin
    select wv.* into v from workflow w join workflow_version wv on wv.id = w.published_version_id where w.id = workflow;
    if not found then
        raise exception 'workflow % does not exist or has no published version', workflow using errcode = 'no_data_found';
    end if;
    select w.archived_at into v_archived_at from workflow w where w.id = workflow;
    if v_archived_at is not null then
        raise exception 'workflow % is archived', workflow using errcode = 'object_not_in_prerequisite_state';
    end if;
    select s.execution_id into v_id from start_v2(
        v.workspace_id, v.workflow_id, v.id,
        jsonb_build_array(jsonb_build_object(
            'id', gen_random_uuid(), 'input', input, 'variables', v.start->'variables', 'idempotency_key', idempotency_key)),
        v.start->'entries', 'sql', coalesce(v.start->>'priority', 'normal'), null, (v.start->>'timeout_seconds')::double precision,
        interval '0') s;
    return v_id;
end $$;
