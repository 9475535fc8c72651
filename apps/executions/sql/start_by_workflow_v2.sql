-- Start the published version of a workflow from SQL, in the caller's transaction: as before, and an archived workflow starts nothing.
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
    select s.execution_id into v_id from start_v1(
        v.workspace_id, v.workflow_id, v.id,
        jsonb_build_array(jsonb_build_object(
            'id', gen_random_uuid(), 'input', input, 'variables', v.start->'variables', 'idempotency_key', idempotency_key)),
        v.start->'entries', 'sql', coalesce(v.start->>'priority', 'normal'), null, (v.start->>'timeout_seconds')::double precision,
        interval '0') s;
    return v_id;
end $$;
