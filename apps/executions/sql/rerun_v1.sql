-- Make an execution that runs a part of an ended one again; what it reuses is copied as settled, and its frontier is queued.
--
-- p_of        the ended execution; it stays as it is
-- p_new       {"id", "version", "input", "variables", "idempotency_key", "trigger", "priority", "started_by", "timeout_seconds",
--              "concurrency_key", "max_concurrency"}, the last two as of start_in_line_v1: a re-run stands in line as any start
-- p_reused    [{"key", "path"}] taken over, and [{"key", "path", "port", "output" | "output_ref", "queue", "lost", "is_edited": true}] given
-- p_skipped   [{"key", "queue", "lost"}] on dead paths
-- p_gates     [{"key", "expected", "needed", "settled", "live"}] of joins that edges have reached
-- p_ready     [{"key", "queue", "lost"}] that start now; at least one
-- p_loops     {"members", "taken", "iterations"} as of rerun_loops_v1, null where no loop goes over
-- Returns the execution; whether it is new, since an idempotency key that was used before returns what this key made; and whether it stands
-- in line.
--
-- It writes as the owner of the tables, as start_v2 does and for its reason, and asks itself whether the web role's caller reaches both.
create function rerun_v1(p_of uuid, p_new jsonb, p_reused jsonb, p_skipped jsonb, p_gates jsonb, p_ready jsonb, p_loops jsonb,
                         p_due interval)
returns table (execution_id uuid, is_new boolean, is_limited boolean) language plpgsql security definer as $$
declare
    v_now constant timestamptz := clock_timestamp();
    v_new constant uuid := p_new->>'id';
    v_old execution;
    v_earlier uuid;
    v_changes jsonb;
    v_limited boolean;
    v_seconds double precision;
begin
    select e.* into v_old from execution e
     where e.id = p_of and e.status in ('success', 'failed', 'cancelled')
       and (current_setting('role') <> 'structforge_web'
            or e.workspace_id = any (fence_workspaces()) or e.workflow_id = any (fence_workflows()))
       for key share;
    if not found then
        raise exception 'there is no ended execution % within reach', p_of using errcode = 'no_data_found';
    end if;
    if not exists (select from workflow_version v where v.id = (p_new->>'version')::uuid and v.workflow_id = v_old.workflow_id) then
        raise exception 'version % is none of workflow %', p_new->>'version', v_old.workflow_id using errcode = 'no_data_found';
    end if;

    select o.is_limited, o.seconds into v_limited, v_seconds
      from limits_on_v1(v_old.workspace_id, (p_new->>'started_by')::uuid, jsonb_build_array(p_new),
                        (p_new->>'timeout_seconds')::double precision) o;
    insert into execution (
        id, workspace_id, workflow_id, version_id, status, open_nodes, event_seq, priority, trigger, business_key, idempotency_key,
        input, variables, cancel_requested, started_by_id, created_at, started_at, deadline_at, rerun_of_id,
        is_limited, concurrency_key, max_concurrency)
    values (v_new, v_old.workspace_id, v_old.workflow_id, (p_new->>'version')::uuid,
            case when v_limited then 'pending' else 'running' end, jsonb_array_length(p_ready), 1,
            p_new->>'priority', p_new->>'trigger', v_old.business_key, p_new->>'idempotency_key', p_new->'input', p_new->'variables',
            false, (p_new->>'started_by')::uuid, v_now, case when not v_limited then v_now end,
            case when not v_limited then v_now + make_interval(secs => v_seconds) end, v_old.id,
            v_limited, p_new->>'concurrency_key', (p_new->>'max_concurrency')::int)
    on conflict (workflow_id, idempotency_key) where idempotency_key is not null do nothing;
    if not found then
        select e.id into v_earlier from execution e where e.workflow_id = v_old.workflow_id and e.idempotency_key = p_new->>'idempotency_key';
        return query select v_earlier, false, false;
        return;
    end if;

    with reused as (
        insert into node_run as n (
            workspace_id, execution_id, key, path, status, revision, attempt, losses, queue, worker, on_worker_lost, queued_at, started_at,
            finished_at, sends, port, input, output, output_ref, error, origin, origin_execution)
        select v_old.workspace_id, v_new, r.key, r.path,
               case when r.is_edited then 'success' else o.status end, 1, coalesce(o.attempt, 1), 0, coalesce(o.queue, r.queue), '',
               coalesce(o.on_worker_lost, r.lost), coalesce(o.queued_at, v_now), case when r.is_edited then v_now else o.started_at end,
               case when r.is_edited then v_now else o.finished_at end, 0,
               case when r.is_edited then r.port else o.port end,
               case when not r.is_edited then o.input end,
               case when r.is_edited then r.output else o.output end,
               case when r.is_edited then r.output_ref else o.output_ref end,
               case when not r.is_edited then o.error end,
               case when r.is_edited then 'edited' when o.origin = 'edited' then o.origin else 'reused' end,
               coalesce(o.origin_execution, v_old.id)
          from (select x.key, coalesce(x.path, '') as path, x.port, x.output, x.output_ref, x.queue, x.lost,
                       coalesce(x.is_edited, false) as is_edited
                  from jsonb_to_recordset(p_reused)
                       as x(key text, path text, port text, output jsonb, output_ref text, queue text, lost text, is_edited boolean)) r
          left join node_run o on o.execution_id = v_old.id and o.key = r.key and o.path = r.path
         order by o.id
        returning n.key, n.path, n.status, n.attempt, n.port, n.error
    ), skipped as (
        insert into node_run as n (
            workspace_id, execution_id, key, path, status, revision, attempt, losses, queue, worker, on_worker_lost, queued_at, started_at,
            finished_at, sends)
        select v_old.workspace_id, v_new, s.key, '', 'skipped', 1, 1, 0, s.queue, '', s.lost, v_now, v_now, v_now, 0
          from jsonb_to_recordset(p_skipped) as s(key text, queue text, lost text)
        returning n.key, n.path, n.status, n.attempt, n.port, n.error
    ), gates as (
        insert into gate (workspace_id, execution_id, key, path, expected, needed, settled, live)
        select v_old.workspace_id, v_new, g.key, '', g.expected, g.needed, g.settled, g.live
          from jsonb_to_recordset(p_gates) as g(key text, expected int, needed int, settled int, live int)
    ), ready as (
        insert into node_run as n (
            workspace_id, execution_id, key, path, status, revision, attempt, losses, queue, worker, on_worker_lost, queued_at, due_at, sends)
        select v_old.workspace_id, v_new, s.key, '', case when v_limited then 'pending' else 'queued' end, 1, 1, 0, s.queue, '', s.lost, v_now, v_now + p_due, 0
          from jsonb_to_recordset(p_ready) as s(key text, queue text, lost text)
        returning n.key, n.path, n.status, n.attempt, n.port, n.error
    )
    select jsonb_agg(to_jsonb(c) || '{"revision": 1}') into v_changes
      from (select * from reused union all select * from skipped union all select * from ready) c;

    if p_loops is not null then
        -- Its rows stand in no event: they may be a hundred thousand, and nobody has seen them otherwise.
        perform rerun_loops_v1(v_old.id, v_new, v_old.workspace_id, p_loops->'members', p_loops->'taken', p_loops->'iterations', v_now);
    end if;
    insert into execution_event (workspace_id, execution_id, sequence, kind, at, status, changes)
    values (v_old.workspace_id, v_new, 1, 'started', v_now, case when v_limited then 'pending' else 'running' end, v_changes);
    return query select v_new, true, v_limited;
end $$;
