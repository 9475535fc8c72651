-- Executions that a node run of another one has started.

-- Start the child of a node run, in the transaction that records the node run; the caller holds the claim.
--   p_child  {"id": uuid, "version": uuid, "workflow": uuid, "input": {}, "variables": {}, "entries": [{"key", "queue", "lost"}],
--             "priority": str, "timeout_seconds": float | null, "waits": bool, "try": int, "concurrency_key": str, "max_concurrency": int | null}
-- A child stands in line for the limit of its own workflow. For those of the workspace, of the person and of the installation it does not
-- wait: its parent has a place there already, and would keep it while it waits for a child that waits for a place.
create function start_child_v1(p_execution uuid, p_node_run bigint, p_child jsonb) returns void language plpgsql as $$
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
end $$;

-- The end of a child wakes the node run that waits for it, in the same commit, however the child ends.
create function child_ended_v1() returns trigger language plpgsql as $$
begin
    update node_run n
       set status = 'queued', revision = n.revision + 1, wake_at = null, waits_for = null, sends = 0,
           queued_at = clock_timestamp(), due_at = clock_timestamp(),
           deferred = n.deferred || jsonb_build_object('signal', jsonb_build_object('execution', new.id, 'status', new.status))
     where n.id = new.parent_node_run_id and n.status = 'waiting' and n.waits_for = '$child' and n.deferred->'state'->>'child' = new.id::text;
    return null;
end $$;

create trigger execution_child_ended after update of status on execution for each row
    when (new.parent_node_run_id is not null and new.status in ('success', 'failed', 'cancelled') and old.status is distinct from new.status)
    execute function child_ended_v1();

-- Children whose node run has ended without them: cancelled, timed out, or its execution over. Each is cancelled in turn.
create function sweep_children_v1(p_limit int) returns table (execution_id uuid, result jsonb) language sql as $$
    select orphan.id, cancel_v1(orphan.id, null) from (
        select c.id from execution c join node_run n on n.id = c.parent_node_run_id
         where c.parent_waits and c.status in ('pending', 'running', 'paused')
           and n.status in ('success', 'failed', 'skipped', 'cancelled', 'queued', 'retrying')
         order by c.id limit p_limit for no key update of c skip locked) orphan
$$;
