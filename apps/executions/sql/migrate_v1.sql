-- Let an execution that waits go on in another version, as planned from what was read before: nothing may have changed since.
--
-- p_runs       [{"key", "path", "status", "to", "queue", "lost"}] of all of its node runs; "to" null: the new version has no such node
-- p_gates      [{"key", "expected", "needed", "settled", "live"}] in place of those that there are
-- p_ready      [{"key", "queue", "lost"}] that begin now, p_skipped likewise on dead paths
-- p_variables  {name: first value} of the new version; those that exist keep their value
-- Returns {"status", "sequence", "priority", "ready", "changes", "at"}, or null where it has moved on, ended, or a node of it runs.
create function migrate_v1(
    p_execution uuid, p_from uuid, p_to uuid, p_runs jsonb, p_gates jsonb, p_ready jsonb, p_skipped jsonb, p_variables jsonb, p_due interval
) returns jsonb language plpgsql as $$
declare
    v_now timestamptz;
    v_execution execution;
    v_run node_run;
    v_ready jsonb;
    v_changes jsonb;
begin
    select e.* into v_execution from execution e
     where e.id = p_execution and e.version_id = p_from and e.status in ('running', 'paused') for no key update;
    if not found then
        return null;
    end if;
    perform 1 from node_run n where n.execution_id = p_execution order by n.id for update;
    if exists (
        select from node_run n
          full join jsonb_to_recordset(p_runs) as p(key text, path text, status text) on p.key = n.key and p.path = n.path
         where n.execution_id = p_execution and (p.status is distinct from n.status
               or n.status = 'running' or n.status = 'queued' and v_execution.status = 'running'))
       or (select count(*) from node_run n where n.execution_id = p_execution) <> jsonb_array_length(p_runs)
    then
        return null;
    end if;
    v_now := clock_timestamp();

    -- Two steps, since two nodes may have changed their keys for each other's.
    update node_run n set key = '~' || n.id
      from jsonb_to_recordset(p_runs) as p(key text, path text, "to" text)
     where n.execution_id = p_execution and n.key = p.key and n.path = p.path and p."to" <> p.key;
    update node_run n
       set key = p."to", revision = n.revision + 1,
           queue = case when p.status in ('success', 'failed', 'skipped', 'cancelled') then n.queue else p.queue end,
           on_worker_lost = case when p.status in ('success', 'failed', 'skipped', 'cancelled') then n.on_worker_lost else p.lost end
      from jsonb_to_recordset(p_runs) as p(id bigint, key text, "to" text, status text, queue text, lost text)
     where n.execution_id = p_execution and n.id = p.id and p."to" is not null;
    -- A claim that looked before the pause holds the old version in its hand. It finds its row by what it was: another row is not found.
    for v_run in select n.* from node_run n where n.execution_id = p_execution and n.status = 'queued' loop
        delete from node_run n where n.id = v_run.id;
        v_run.id := nextval(pg_get_serial_sequence('node_run', 'id'));
        insert into node_run select v_run.*;
    end loop;

    delete from gate g where g.execution_id = p_execution;
    insert into gate (workspace_id, execution_id, key, path, expected, needed, settled, live)
    select v_execution.workspace_id, p_execution, g.key, '', g.expected, g.needed, g.settled, g.live
      from jsonb_to_recordset(p_gates) as g(key text, expected int, needed int, settled int, live int);
    with ready as (
        insert into node_run as n (
            workspace_id, execution_id, key, path, status, revision, attempt, losses, queue, worker, on_worker_lost, queued_at, due_at, sends)
        select v_execution.workspace_id, p_execution, s.key, '', 'queued', 1, 1, 0, s.queue, '', s.lost, v_now, v_now + p_due, 0
          from jsonb_to_recordset(p_ready) as s(key text, queue text, lost text)
        returning n.key, n.path, n.status, n.attempt, n.revision, n.queue
    ), skipped as (
        insert into node_run as n (
            workspace_id, execution_id, key, path, status, revision, attempt, losses, queue, worker, on_worker_lost, queued_at, started_at,
            finished_at, sends)
        select v_execution.workspace_id, p_execution, s.key, '', 'skipped', 1, 1, 0, s.queue, '', s.lost, v_now, v_now, v_now, 0
          from jsonb_to_recordset(p_skipped) as s(key text, queue text, lost text)
        returning n.key, n.path, n.status, n.attempt, n.revision, n.queue
    )
    select coalesce(jsonb_agg(to_jsonb(c) - 'queue'), '[]'),
           coalesce(jsonb_agg(jsonb_build_object('key', c.key, 'path', c.path, 'queue', c.queue)) filter (where c.status = 'queued'), '[]')
      into v_changes, v_ready from (select * from ready union all select * from skipped) c;

    update execution e
       set version_id = p_to, open_nodes = e.open_nodes + jsonb_array_length(p_ready), event_seq = e.event_seq + 1,
           variables = p_variables || e.variables
     where e.id = p_execution returning e.* into v_execution;
    insert into execution_event (workspace_id, execution_id, sequence, kind, at, status, changes)
    values (v_execution.workspace_id, p_execution, v_execution.event_seq, 'migrated', v_now, v_execution.status, v_changes);
    return jsonb_build_object('status', v_execution.status, 'sequence', v_execution.event_seq, 'priority', v_execution.priority,
                              'ready', v_ready, 'changes', v_changes, 'at', v_now);
end $$;
