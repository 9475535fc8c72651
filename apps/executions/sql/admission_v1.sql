-- Executions at a time. A slot is an execution's own status, `running`, `paused` or `cancelling`: whoever ends, however it ends, gives it
-- back in the very statement that ends it, and there is nothing that could leak. What finds no slot is `pending`; its first node runs are
-- `pending` with it. `admit_v1` alone lets in, one call at a time, so that no two take the last slot.

-- Which limits concern starts of somebody in a workspace: whether they stand in line, and how long they may run, null: for ever.
--
-- p_starts   as of start_in_line_v1
create function limits_on_v1(
    p_workspace uuid, p_person uuid, p_starts jsonb, p_timeout_seconds double precision, out is_limited boolean, out seconds double precision
) language plpgsql stable security definer as $$
begin
    select coalesce(bool_or(l.max_running is not null and (l.kind <> 'user' or p_person = coalesce(l.user_id, p_person))), false)
           or jsonb_path_exists(p_starts, '$[*].max_concurrency ? (@ != null)'),
           least(p_timeout_seconds, min(l.max_seconds))
      into is_limited, seconds
      from execution_limit l where l.workspace_id = p_workspace or l.workspace_id is null;
end $$;

-- Make executions of one version, with their first node runs: as start_v2, but where a limit concerns them they stand in line.
--
-- p_starts    as of start_v1, each with "concurrency_key": "" where the execution has none, null where it is not known yet; and
--             "max_concurrency": executions of this workflow, or of this key, at a time; null or absent: any number
-- p_entries   [{"key": str, "queue": str, "lost": "rerun" | "ask" | "fail"}]
-- p_sent      so many of the starts, from the first on, are sent by the caller; the rest is fed to the fleets by feed_v1. null: all
-- Returns one row for each start, in order: the execution, whether it is new, and whether it stands in line, for admit_v1 to let it in.
create function start_in_line_v1(
    p_workspace uuid, p_workflow uuid, p_version uuid, p_starts jsonb, p_entries jsonb, p_trigger text, p_priority text, p_started_by uuid,
    p_timeout_seconds double precision, p_due interval, p_sent int
) returns table (execution_id uuid, is_new boolean, is_limited boolean) language plpgsql security definer as $$
declare
    v_now timestamptz := clock_timestamp();
    v_limited boolean;
    v_seconds double precision;
    v_made uuid[];
begin
    if current_setting('role') = 'structforge_web' and not exists (
        select from workflow_version v
         where v.id = p_version and v.workflow_id = p_workflow and v.workspace_id = p_workspace
           and (v.workspace_id = any (fence_workspaces()) or v.workflow_id = any (fence_workflows())))
    then
        raise exception 'there is no version % of workflow % within reach', p_version, p_workflow using errcode = 'insufficient_privilege';
    end if;

    select o.is_limited, o.seconds into v_limited, v_seconds from limits_on_v1(p_workspace, p_started_by, p_starts, p_timeout_seconds) o;

    with wanted as (
        -- One instant for all; but in line age decides who comes first, so there each is younger than the one before.
        select s.*, case when v_limited then (s.ordinality - 1) * interval '1 microsecond' else interval '0' end as place from rows from (jsonb_to_recordset(p_starts)
            as (id uuid, input jsonb, variables jsonb, business_key text, idempotency_key text, concurrency_key text,
                max_concurrency int)) with ordinality
            as s(id, input, variables, business_key, idempotency_key, concurrency_key, max_concurrency, ordinality)
    ), made as (
        insert into execution as e (
            id, workspace_id, workflow_id, version_id, status, open_nodes, event_seq, priority, trigger, business_key, idempotency_key,
            input, variables, cancel_requested, started_by_id, created_at, started_at, deadline_at,
            is_limited, concurrency_key, max_concurrency)
        select w.id, p_workspace, p_workflow, p_version, case when v_limited then 'pending' else 'running' end,
               jsonb_array_length(p_entries), 1, p_priority, p_trigger, coalesce(w.business_key, ''), w.idempotency_key,
               coalesce(w.input, '{}'), coalesce(w.variables, '{}'), false, p_started_by,
               v_now + w.place, case when not v_limited then v_now + w.place end,
               case when not v_limited then v_now + make_interval(secs => v_seconds) end, v_limited, w.concurrency_key, w.max_concurrency
          from wanted w
        on conflict (workflow_id, idempotency_key) where idempotency_key is not null do nothing
        returning e.id, e.idempotency_key
    ), later as (
        select w.id from wanted w where w.ordinality > p_sent and not v_limited
    ), runs as (
        insert into node_run (workspace_id, execution_id, key, path, status, revision, attempt, losses, queue, worker, on_worker_lost,
                              queued_at, due_at, sends)
        select p_workspace, m.id, n.key, '', case when v_limited then 'pending' else 'queued' end, 1, 1, 0, n.queue, '', n.lost,
               v_now, v_now + case when m.id in (select l.id from later l) then interval '1 hour' else p_due end,
               case when m.id in (select l.id from later l) then case p_priority when 'high' then -2 else -1 end else 0 end
          from made m, jsonb_to_recordset(p_entries) as n(key text, queue text, lost text)
    ), history as (
        insert into execution_event (workspace_id, execution_id, sequence, kind, at, status, changes)
        select p_workspace, m.id, 1, 'started', v_now, case when v_limited then 'pending' else 'running' end,
               (select jsonb_agg(jsonb_build_object('key', n->>'key', 'path', '', 'attempt', 1, 'revision', 1,
                                                    'status', case when v_limited then 'pending' else 'queued' end))
                  from jsonb_array_elements(p_entries) n)
          from made m
    )
    select array_agg(m.id) into v_made from made m;

    -- A statement of its own: where the insert had to wait for another transaction with the same key, only a new one sees what that made.
    return query
    select coalesce(mine.id, earlier.id), mine.id is not null, v_limited and mine.id is not null
      from rows from (jsonb_to_recordset(p_starts) as (id uuid, idempotency_key text)) with ordinality
           as w(id, idempotency_key, ordinality)
      left join unnest(v_made) as mine(id) on mine.id = w.id
      left join execution earlier on mine.id is null and earlier.workflow_id = p_workflow and earlier.idempotency_key = w.idempotency_key
     order by w.ordinality;
end $$;

-- Start the published version of a workflow from SQL, in the caller's transaction. The sweepers send its first node runs at once, or let it
-- in when its turn comes; they also find its concurrency key, which takes an expression.
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
    select s.execution_id into v_id from start_in_line_v1(
        v.workspace_id, v.workflow_id, v.id,
        jsonb_build_array(jsonb_build_object(
            'id', gen_random_uuid(), 'input', input, 'variables', v.start->'variables', 'idempotency_key', idempotency_key,
            'concurrency_key', case when v.start->>'concurrency_key' is null then '' end, 'max_concurrency', v.start->'max_concurrency')),
        v.start->'entries', 'sql', coalesce(v.start->>'priority', 'normal'), null, (v.start->>'timeout_seconds')::double precision,
        interval '0', null) s;
    return v_id;
end $$;

-- How long an execution of this workspace may run, in seconds; null: as long as its workflow allows.
create function max_seconds_v1(p_workspace uuid) returns double precision language sql stable security definer as $$
    select min(l.max_seconds) from execution_limit l where l.workspace_id = p_workspace or l.workspace_id is null
$$;

-- The limit on executions at a time of one person in a workspace: their own, else that of everybody; null: none. Nobody has no limit.
create function limit_of_person_v1(p_workspace uuid, p_person uuid) returns int language sql stable as $$
    select l.max_running from execution_limit l
     where l.workspace_id = p_workspace and l.kind = 'user' and p_person is not null and (l.user_id = p_person or l.user_id is null)
     order by l.user_id nulls last limit 1
$$;

-- Let in whoever stands first where there is room, at most p_most: in each line by priority and age, and the workspaces in turn, so that a
-- long line of one does not hold up another.
--
-- A line is what waits for the same slots: same workspace, workflow, key and person. The lines are found by hopping from one to the next in
-- the index, so that the time goes by the number of lines, however long they are.
-- p_workspace, p_workflow, p_key   null: all. Names what a slot has become free for, and is widened where a wider limit is shared
-- Returns the executions that run now, with the node runs that are queued now: "runs" is [{"key","path","queue"}].
create function admit_v1(p_most int, p_due interval, p_workspace uuid, p_workflow uuid, p_key text)
returns table (execution_id uuid, version_id uuid, priority text, sequence bigint, at timestamptz, runs jsonb, changes jsonb)
language plpgsql as $$
declare
    v_nobody constant uuid := '00000000-0000-0000-0000-000000000000';
    v_now timestamptz;
    v_most_of_all int;
    v_all bigint;
    v_taken jsonb := '{}';
    v_admitted uuid[] := '{}';
    c record;
begin
    if not exists (select from execution e where e.status = 'pending' and e.concurrency_key is not null) then
        return;
    end if;
    perform pg_advisory_xact_lock(hashtext('structforge.admission'));
    v_now := clock_timestamp();
    select l.max_running into v_most_of_all from execution_limit l where l.kind = 'installation';
    if v_most_of_all is not null then
        p_workspace := null;
        p_workflow := null;
        p_key := null;
        select count(*) into v_all from execution e where e.status in ('running', 'paused', 'cancelling');
        if v_all >= v_most_of_all then
            return;
        end if;
    elsif exists (select from execution_limit l where l.workspace_id = p_workspace and l.max_running is not null) then
        p_workflow := null;
        p_key := null;
    end if;

    for c in
        with recursive line(workspace_id, workflow_id, key, person) as (
            (select e.workspace_id, e.workflow_id, e.concurrency_key::text, coalesce(e.started_by_id, v_nobody)
               from execution e
              where e.status = 'pending' and e.concurrency_key is not null
                and (e.workspace_id, e.workflow_id, e.concurrency_key, coalesce(e.started_by_id, v_nobody))
                    >= (coalesce(p_workspace, v_nobody), coalesce(p_workflow, v_nobody), coalesce(p_key, ''), v_nobody)
              order by e.workspace_id, e.workflow_id, e.concurrency_key, coalesce(e.started_by_id, v_nobody) limit 1)
            union all
            select n.* from line l cross join lateral (
                select e.workspace_id, e.workflow_id, e.concurrency_key::text, coalesce(e.started_by_id, v_nobody)
                  from execution e
                 where e.status = 'pending' and e.concurrency_key is not null
                   and (e.workspace_id, e.workflow_id, e.concurrency_key, coalesce(e.started_by_id, v_nobody))
                       > (l.workspace_id, l.workflow_id, l.key, l.person)
                 order by e.workspace_id, e.workflow_id, e.concurrency_key, coalesce(e.started_by_id, v_nobody) limit 1) n
             where (p_workspace is null or l.workspace_id = p_workspace) and (p_workflow is null or l.workflow_id = p_workflow)
               and (p_key is null or l.key = p_key)
        ), named as (
            select * from line l
             where (p_workspace is null or l.workspace_id = p_workspace) and (p_workflow is null or l.workflow_id = p_workflow)
               and (p_key is null or l.key = p_key)
        ), place as (
            select w.workspace_id, m.most, case when m.most is not null then (
                       select count(*) from execution e
                        where e.workspace_id = w.workspace_id and e.status in ('running', 'paused', 'cancelling')) end as held
              from (select distinct n.workspace_id from named n) w
              left join lateral (select l.max_running as most from execution_limit l
                                  where l.workspace_id = w.workspace_id and l.kind = 'workspace') m on true
        ), bounded as (
            select n.*, p.most as most_here, p.held as held_here, limit_of_person_v1(n.workspace_id, nullif(n.person, v_nobody)) as most_of_person
              from named n join place p using (workspace_id)
             where p.most is null or p.held < p.most
        ), counted as (
            select b.*, case when b.most_of_person is not null then (
                       select count(*) from execution e
                        where e.workspace_id = b.workspace_id and e.started_by_id = b.person
                          and e.status in ('running', 'paused', 'cancelling')) end as held_by_person,
                   case when h.max_concurrency is null then null
                        when b.key = '' then (
                       select count(*) from execution e
                        where e.workflow_id = b.workflow_id and e.status in ('running', 'paused', 'cancelling'))
                   else (
                       select count(*) from execution e
                        where e.workflow_id = b.workflow_id and e.concurrency_key = b.key and e.concurrency_key > ''
                          and e.status in ('running', 'paused', 'cancelling')) end as held_in_line
              from bounded b cross join lateral (
                select e.max_concurrency from execution e
                 where e.status = 'pending' and e.concurrency_key is not null and e.workspace_id = b.workspace_id
                   and e.workflow_id = b.workflow_id and e.concurrency_key = b.key and coalesce(e.started_by_id, v_nobody) = b.person
                 order by e.priority, e.created_at, e.id limit 1) h
        ), first as (
            select f.*, t.* from counted t cross join lateral (
                select e.id, e.priority, e.created_at, e.max_concurrency from execution e
                 where e.status = 'pending' and e.concurrency_key is not null and e.workspace_id = t.workspace_id
                   and e.workflow_id = t.workflow_id and e.concurrency_key = t.key and coalesce(e.started_by_id, v_nobody) = t.person
                   and (e.max_concurrency is null or t.held_in_line < e.max_concurrency)
                 order by e.priority, e.created_at, e.id
                 limit greatest(0, least(p_most, t.most_here - t.held_here, t.most_of_person - t.held_by_person))) f
        )
        select f.*, row_number() over (partition by f.workspace_id order by f.priority, f.created_at, f.id) as turn
          from first f
         order by turn, f.priority, f.created_at, f.id
    loop
        exit when cardinality(v_admitted) >= p_most or v_all + cardinality(v_admitted) >= v_most_of_all;
        declare
            v_here text := c.workspace_id::text;
            v_person text := c.workspace_id::text || c.person::text;
            v_line text := c.workflow_id::text || c.key;
            v_in_here int := coalesce((v_taken->>v_here)::int, 0);
            v_by_person int := coalesce((v_taken->>v_person)::int, 0);
            v_in_line int := coalesce((v_taken->>v_line)::int, 0);
        begin
            continue when c.held_here + v_in_here >= c.most_here or c.held_by_person + v_by_person >= c.most_of_person
                       or c.held_in_line + v_in_line >= c.max_concurrency;
            v_admitted := v_admitted || c.id;
            v_taken := v_taken || jsonb_build_object(v_here, v_in_here + 1, v_person, v_by_person + 1, v_line, v_in_line + 1);
        end;
    end loop;
    if cardinality(v_admitted) = 0 then
        return;
    end if;

    return query
    with admitted as (
        update execution e
           set status = 'running', started_at = v_now, event_seq = e.event_seq + 1,
               -- The limit of its run time counts from here on: to wait in line is not to run.
               deadline_at = v_now + make_interval(secs => least((v.start->>'timeout_seconds')::double precision, max_seconds_v1(e.workspace_id)))
          from workflow_version v
         where e.id = any (v_admitted) and e.status = 'pending' and v.id = e.version_id
        returning e.id, e.workspace_id, e.version_id, e.priority, e.event_seq
    ), woken as (
        update node_run n
           set status = 'queued', revision = n.revision + 1, queued_at = v_now, due_at = v_now + p_due, sends = 0
          from admitted a where n.execution_id = a.id and n.status = 'pending'
        returning n.execution_id, n.key, n.path, n.queue, n.attempt, n.revision
    ), ready as (
        select a.id, coalesce(jsonb_agg(jsonb_build_object('key', w.key, 'path', w.path, 'queue', w.queue)), '[]') as runs,
               coalesce(jsonb_agg(jsonb_build_object(
                   'key', w.key, 'path', w.path, 'status', 'queued', 'attempt', w.attempt, 'revision', w.revision)), '[]') as changes
          from admitted a join woken w on w.execution_id = a.id group by a.id
    ), history as (
        insert into execution_event (workspace_id, execution_id, sequence, kind, at, status, changes)
        select a.workspace_id, a.id, a.event_seq, 'admitted', v_now, 'running', r.changes from admitted a join ready r on r.id = a.id
    )
    select a.id, a.version_id, a.priority::text, a.event_seq, v_now, r.runs, r.changes from admitted a join ready r on r.id = a.id;
end $$;

-- What each of these executions waits for, if it is pending: the narrowest limit that is full, how many it allows, and how many that wait
-- for the same stand before it (counted no further than p_most). A null scope: there is room, and it is about to start.
create function waiting_v1(p_executions uuid[], p_most int)
returns table (execution_id uuid, scope text, allowed int, ahead bigint, key text) language sql stable security definer as $$
    with waiting as (
        select e.id, e.workspace_id, e.workflow_id, e.concurrency_key, e.started_by_id, e.max_concurrency, e.priority, e.created_at
          from execution e where e.id = any (p_executions) and e.status = 'pending'
    ), full_limit as (
        select w.*, l.scope, l.allowed from waiting w left join lateral (
            select s.scope, s.allowed from (
                select 1 as width, case when w.concurrency_key > '' then 'key' else 'workflow' end as scope, w.max_concurrency as allowed,
                       (select count(*) from execution e
                         where w.max_concurrency is not null and e.workflow_id = w.workflow_id
                           and (w.concurrency_key = '' or e.concurrency_key = w.concurrency_key)
                           and e.status in ('running', 'paused', 'cancelling')) as held
                union all
                select 2, 'user', limit_of_person_v1(w.workspace_id, w.started_by_id),
                       (select count(*) from execution e
                         where e.workspace_id = w.workspace_id and e.started_by_id = w.started_by_id
                           and e.status in ('running', 'paused', 'cancelling'))
                union all
                select 3, x.kind, x.max_running,
                       (select count(*) from execution e
                         where (x.kind = 'installation' or e.workspace_id = w.workspace_id)
                           and e.status in ('running', 'paused', 'cancelling'))
                  from execution_limit x
                 where x.kind = 'workspace' and x.workspace_id = w.workspace_id or x.kind = 'installation') s
             where s.held >= s.allowed order by s.width, s.scope desc limit 1) l on true
    )
    select f.id, f.scope, f.allowed, (
               select count(*) from (
                   select from execution e
                    where e.status = 'pending' and e.concurrency_key is not null
                      and (f.scope = 'installation' or e.workspace_id = f.workspace_id)
                      and (f.scope not in ('workflow', 'key') or e.workflow_id = f.workflow_id)
                      and (f.scope <> 'key' or e.concurrency_key = f.concurrency_key)
                      and (f.scope <> 'user' or e.started_by_id = f.started_by_id)
                      and (e.priority, e.created_at, e.id) < (f.priority, f.created_at, f.id)
                    limit p_most) a),
           f.concurrency_key
      from full_limit f
$$;

-- As before, and what stands in line has its first node runs `pending`: they go too.
create or replace function stop_open_nodes_v1(p_execution uuid, p_kind text, p_take_claims boolean) returns jsonb language plpgsql as $$
declare
    v_now timestamptz := clock_timestamp();
    v_changes jsonb;
    v_count int;
    v_status text;
    v_sequence bigint;
    v_workspace uuid;
begin
    with stopped as (
        update node_run n
           set status = 'cancelled', revision = n.revision + 1, finished_at = v_now, due_at = null, wake_at = null, lease_until = null,
               claim_token = case when n.status = 'running' then null else n.claim_token end
         where n.execution_id = p_execution
           and (n.status in ('pending', 'queued', 'waiting', 'retrying', 'uncertain') or p_take_claims and n.status = 'running')
        returning n.key, n.path, n.status, n.attempt, n.revision
    )
    select coalesce(jsonb_agg(to_jsonb(s)), '[]'), count(*) into v_changes, v_count from stopped s;
    update execution e
       set open_nodes = e.open_nodes - v_count, event_seq = e.event_seq + 1,
           status = case when e.open_nodes > v_count then e.status when e.error is not null then 'failed' else 'cancelled' end,
           finished_at = case when e.open_nodes = v_count then v_now end
     where e.id = p_execution
    returning e.status, e.event_seq, e.workspace_id into v_status, v_sequence, v_workspace;
    insert into execution_event (workspace_id, execution_id, sequence, kind, at, status, changes)
    values (v_workspace, p_execution, v_sequence, p_kind, v_now, v_status, v_changes);
    return jsonb_build_object('status', v_status, 'sequence', v_sequence, 'changes', v_changes, 'at', v_now, 'was', 'open');
end $$;
