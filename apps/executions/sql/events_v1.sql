-- Events from outside wake the node runs that wait for them. Lock order: the event, its executions by id, their node runs.

-- Wake what waits for an event, at most p_limit node runs at once; the event is delivered when nothing is left that it should wake.
-- It wakes what waited when it came, and each node run takes one event only. One that is kept wakes whoever waits first, until its time is
-- over. Returns {"woken": in all, "is_delivered", "ready": [{"execution_id","version_id","key","path","queue","priority","attempt","revision"}]}.
create function deliver_event_v1(p_event uuid, p_limit int, p_due interval) returns jsonb language plpgsql as $$
declare
    v_now timestamptz := clock_timestamp();
    v_event received_event;
    v_candidates bigint[];
    v_ready jsonb;
    v_woken int;
begin
    select * into v_event from received_event v where v.id = p_event for no key update;
    if not found or v_event.delivered_at is not null then
        return jsonb_build_object('woken', coalesce(v_event.woken, 0), 'is_delivered', true, 'ready', '[]'::jsonb);
    end if;
    select coalesce(array_agg(c.id), '{}') into v_candidates from (
        select n.id from node_run n
         where n.workspace_id = v_event.workspace_id and n.waits_for = v_event.waits_for and n.status = 'waiting'
           and case when v_event.keep_until is null then n.started_at <= v_event.created_at
                    else v_event.woken > 0 or v_event.keep_until > v_now end
         limit p_limit) c;
    with locked as materialized (
        select e.id, e.priority, e.version_id from execution e
         where e.id in (select n.execution_id from node_run n where n.id = any (v_candidates)) and e.status in ('running', 'paused')
         order by e.id for no key update
    ), woken as (
        update node_run n
           set status = 'queued', revision = n.revision + 1, wake_at = null, waits_for = null, queued_at = v_now, due_at = v_now + p_due,
               sends = 0, deferred = n.deferred || jsonb_build_object('signal', jsonb_build_object('payload', v_event.payload))
          from locked e
         where n.id = any (v_candidates) and n.execution_id = e.id and n.status = 'waiting' and n.waits_for = v_event.waits_for
        returning n.execution_id, e.version_id, n.key, n.path, n.queue, e.priority, n.attempt, n.revision
    )
    select coalesce(jsonb_agg(to_jsonb(w)), '[]'), count(*) into v_ready, v_woken from woken w;
    update received_event v
       set woken = v.woken + v_woken,
           delivered_at = case when (cardinality(v_candidates) < p_limit or v_woken = 0)
                                and (v.woken + v_woken > 0 or v.keep_until is null or v.keep_until <= v_now) then v_now end
     where v.id = p_event returning v.* into v_event;
    return jsonb_build_object('woken', v_event.woken, 'is_delivered', v_event.delivered_at is not null, 'ready', v_ready);
end $$;

-- Take an event in, and wake the first p_limit node runs that wait for it. p_id is the caller's own, so that the call may be repeated.
-- p_keep      how long it is kept for those who come later, where nobody waits for it; null: not at all
-- p_max_kept  how many events a workspace may keep
-- Returns as deliver_event_v1, with "id" and "is_new": false where this idempotency key has brought an event before, which is then that one.
-- null: the workspace keeps too many.
create function take_event_v1(
    p_id uuid, p_workspace uuid, p_event text, p_waits_for text, p_payload jsonb, p_idempotency_key text, p_keep interval, p_max_kept int,
    p_sent_by uuid, p_limit int, p_due interval
) returns jsonb language plpgsql as $$
declare
    v_now timestamptz := clock_timestamp();
    v_id uuid;
begin
    if p_keep is not null and p_max_kept <= (
        select count(*) from received_event v where v.workspace_id = p_workspace and v.delivered_at is null and v.id <> p_id)
    then
        return null;
    end if;
    insert into received_event (id, workspace_id, event, waits_for, payload, idempotency_key, sent_by_id, created_at, keep_until, woken)
    values (p_id, p_workspace, p_event, p_waits_for, p_payload, p_idempotency_key, p_sent_by, v_now, v_now + p_keep, 0)
    on conflict do nothing returning id into v_id;
    -- A statement of its own: where the insert had to wait for another transaction with the same key, only a new one sees what that made.
    if v_id is null then
        select v.id into v_id from received_event v
         where v.id = p_id or v.workspace_id = p_workspace and v.idempotency_key = p_idempotency_key limit 1;
    end if;
    return deliver_event_v1(v_id, p_limit, p_due) || jsonb_build_object('id', v_id, 'is_new', v_id = p_id);
end $$;

-- Events that somebody has to look at: whose delivery broke off, which are kept and awaited now, and whose time is over.
create function undelivered_events_v1(p_limit int) returns table (id uuid) language sql as $$
    select v.id from received_event v
     where v.delivered_at is null
       and (v.keep_until is null and v.created_at < clock_timestamp() - interval '2 s' or v.woken > 0 or v.keep_until <= clock_timestamp()
            or exists (select from node_run n
                        where n.workspace_id = v.workspace_id and n.waits_for = v.waits_for and n.status = 'waiting'))
     order by v.created_at limit p_limit
$$;

-- Wake a node run that waits for a request to its own address, once. p_id is the request's own, so that the call may be repeated.
-- Returns {"outcome": "woken" | "used" | "over" | "unknown"}, and for `woken` also what a message needs: used by another request; over, because
-- its time has passed or its execution has ended; unknown, because there is no such node run.
create function resume_v1(p_id uuid, p_execution uuid, p_key text, p_path text, p_payload jsonb, p_due interval)
returns jsonb language plpgsql as $$
declare
    v_now timestamptz := clock_timestamp();
    v_execution execution;
    v_key constant text := format('resume:%s:%s:%s', p_execution, p_key, p_path);
    v_used_by uuid;
    v_result jsonb;
begin
    select e.* into v_execution from execution e where e.id = p_execution for no key update;
    if not found or not exists (select from node_run n where n.execution_id = p_execution and n.key = p_key and n.path = p_path) then
        return jsonb_build_object('outcome', 'unknown');
    end if;
    update node_run n
       set status = 'queued', revision = n.revision + 1, wake_at = null, waits_for = null, queued_at = v_now, due_at = v_now + p_due,
           sends = 0, deferred = n.deferred || jsonb_build_object('signal', jsonb_build_object('payload', p_payload))
     where n.execution_id = p_execution and n.key = p_key and n.path = p_path and n.status = 'waiting' and n.waits_for = 'webhook'
       and (n.wake_at is null or n.wake_at > v_now) and v_execution.status in ('running', 'paused')
    returning jsonb_build_object('outcome', 'woken', 'execution_id', n.execution_id, 'version_id', v_execution.version_id, 'key', n.key,
                                 'path', n.path, 'queue', n.queue, 'priority', v_execution.priority, 'attempt', n.attempt,
                                 'revision', n.revision) into v_result;
    if found then
        insert into received_event (id, workspace_id, event, waits_for, payload, idempotency_key, created_at, woken, delivered_at)
        values (p_id, v_execution.workspace_id, 'webhook', 'webhook', 'null', v_key, v_now, 1, v_now)
        on conflict do nothing;
        return v_result;
    end if;
    select v.id into v_used_by from received_event v where v.workspace_id = v_execution.workspace_id and v.idempotency_key = v_key;
    if v_used_by = p_id then
        return (select jsonb_build_object('outcome', 'woken', 'execution_id', n.execution_id, 'version_id', v_execution.version_id, 'key', n.key,
                                          'path', n.path, 'queue', n.queue, 'priority', v_execution.priority, 'attempt', n.attempt,
                                          'revision', n.revision)
                  from node_run n where n.execution_id = p_execution and n.key = p_key and n.path = p_path);
    end if;
    return jsonb_build_object('outcome', case when v_used_by is null then 'over' else 'used' end);
end $$;
