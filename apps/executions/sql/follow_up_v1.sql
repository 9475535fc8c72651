-- What follows from the end of an execution.

-- Note the end where the version says that something follows: `start->'follows'` lists the statuses.
create or replace function execution_has_ended_v1() returns trigger language plpgsql security definer as $$
begin
    insert into execution_ending (execution_id, workspace_id, at)
    select new.id, new.workspace_id, new.finished_at from workflow_version v where v.id = new.version_id and v.start->'follows' ? new.status;
    return null;
end $$;

create or replace trigger execution_ended after update of status on execution for each row
    when (old.finished_at is null and new.finished_at is not null) execute function execution_has_ended_v1();

-- Start an execution that undoes another: with its input and variables, and the outputs that the undo nodes read.
--
-- p_entry   {"key", "queue", "lost"}: the undo node that runs first
-- p_reads   keys of node runs
create or replace function compensate_v1(p_origin uuid, p_id uuid, p_entry jsonb, p_reads text[], p_due interval) returns text
language plpgsql as $$
declare
    v_origin execution;
begin
    select * into strict v_origin from execution where id = p_origin;
    perform start_v2(
        v_origin.workspace_id, v_origin.workflow_id, v_origin.version_id,
        jsonb_build_array(jsonb_build_object('id', p_id, 'input', v_origin.input, 'variables', v_origin.variables,
                                             'business_key', v_origin.business_key)),
        jsonb_build_array(p_entry), 'compensation', v_origin.priority, v_origin.started_by_id, null, p_due);
    insert into node_run (workspace_id, execution_id, key, path, status, revision, attempt, losses, queue, worker, on_worker_lost,
                          queued_at, started_at, finished_at, sends, port, output, output_ref, error)
    select n.workspace_id, p_id, n.key, n.path, n.status, 1, n.attempt, n.losses, n.queue, n.worker, n.on_worker_lost,
           n.queued_at, n.started_at, n.finished_at, 0, n.port, n.output, n.output_ref, n.error
      from node_run n
     where n.execution_id = p_origin and n.path = '' and n.key = any (p_reads) and n.status in ('success', 'failed', 'skipped');
    return v_origin.priority;
end $$;
