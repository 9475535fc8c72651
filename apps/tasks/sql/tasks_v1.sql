-- Human tasks come and go with the node runs that wait for them, in the same commits.

-- Make the task of a node run that has just begun to wait for people. Its `state`, written by apps/tasks/asking.py:
--   {"title", "description", "form", "decision", "quorum", "four_eyes", "priority": int, "assignee": uuid | null,
--    "candidates": [{"key", "kind", "name"}], "holders": [key], "due_at": instant | null, "due_seconds": float | null,
--    "timers": [{"kind", "offset": seconds after the due date, null: at once, "what"}]}
create function make_human_task_v1() returns trigger language plpgsql as $$
declare
    v constant jsonb := new.deferred->'state';
    v_now constant timestamptz := clock_timestamp();
    v_due constant timestamptz := coalesce((v->>'due_at')::timestamptz, v_now + make_interval(secs => (v->>'due_seconds')::float8));
    v_task bigint;
begin
    insert into human_task (workspace_id, execution_id, node_run_id, key, path, title, description, form, decision, quorum, four_eyes, priority,
                            status, assignee_id, candidates, holders, voters, created_at, due_at)
    values (new.workspace_id, new.execution_id, new.id, new.key, new.path, v->>'title', v->>'description', v->'form', v->>'decision',
            v->'quorum', (v->>'four_eyes')::boolean, (v->>'priority')::smallint, 'open', (v->>'assignee')::uuid, v->'candidates',
            array(select jsonb_array_elements_text(v->'holders')), '{}', v_now, v_due)
    returning id into v_task;
    insert into human_task_timer (workspace_id, task_id, kind, what, due_at)
    select new.workspace_id, v_task, t->>'kind', nullif(t->'what', 'null'), coalesce(v_due + make_interval(secs => (t->>'offset')::float8), v_now)
      from jsonb_array_elements(v->'timers') t
     -- A reminder of a date that is nearer than that has nothing to remind of.
     where t->>'kind' <> 'reminder' or v_due + make_interval(secs => (t->>'offset')::float8) > v_now;
    return null;
end $$;

create trigger node_run_asks_after_insert after insert on node_run for each row
    when (new.status = 'waiting' and new.waits_for = '$task')
    execute function make_human_task_v1();

create trigger node_run_asks after update of status on node_run for each row
    when (new.status = 'waiting' and new.waits_for = '$task' and old.status <> 'waiting')
    execute function make_human_task_v1();

-- Close the task of a node run that waits no more, however that came: its time was over, or it was cancelled. Whoever answers a task closes
-- it before waking the node run, so that nothing is left here to be closed.
create function close_human_task_v1() returns trigger language plpgsql as $$
begin
    update human_task t
       set status = case when new.status = 'queued' then 'expired' else 'cancelled' end, closed_at = clock_timestamp()
     where t.node_run_id = old.id and t.status = 'open';
    return null;
end $$;

create trigger node_run_asks_no_more after update of status on node_run for each row
    when (old.status = 'waiting' and old.waits_for = '$task' and new.status <> 'waiting')
    execute function close_human_task_v1();

-- Keep the rows of human_task_holder as the array says, while the task is open.
create function keep_human_task_holders_v1() returns trigger language plpgsql as $$
begin
    delete from human_task_holder h where h.task_id = new.id and (new.status <> 'open' or h.key <> all (new.holders));
    if new.status = 'open' then
        insert into human_task_holder (workspace_id, task_id, key) select new.workspace_id, new.id, k from unnest(new.holders) k
        on conflict (task_id, key) do nothing;
    end if;
    return null;
end $$;

create trigger human_task_held after insert on human_task for each row execute function keep_human_task_holders_v1();

create trigger human_task_held_by_others after update of status, holders on human_task for each row
    when (old.status is distinct from new.status or old.holders is distinct from new.holders)
    execute function keep_human_task_holders_v1();

-- People of a workspace whom these keys name: by themselves, by a team, or by a role; see apps/tasks/keys.py.
create function human_task_people_v1(p_workspace uuid, p_keys text[]) returns setof uuid language sql stable as $$
    select m.user_id from membership m join accounts_user u on u.id = m.user_id
     where m.workspace_id = p_workspace and u.is_active and u.kind = 'person'
       and ('user:' || m.user_id = any (p_keys)
            or case when m.own_role_id is null then 'role:' || m.workspace_id || ':' || m.role else 'role:' || m.own_role_id end = any (p_keys)
            or exists (select from team_member t where t.user_id = m.user_id and 'team:' || t.team_id = any (p_keys)))
$$;

-- Who had a hand in an execution before: who started it, and who has answered a task of it other than p_task. Counted with it are the executions that it runs
-- again, that called it, and that those have called: nobody gets around four eyes by a re-run or a child.
create function human_task_hands_v1(p_execution uuid, p_task bigint) returns setof uuid language sql stable as $$
    with recursive up(id) as (
        select p_execution
        union
        select x.id from up join execution e on e.id = up.id
          cross join lateral (select e.rerun_of_id as id
                              union all
                              select n.execution_id from node_run n where n.id = e.parent_node_run_id) x
         where x.id is not null
    ), family(id) as (
        select id from up
        union
        select c.id from family f join node_run n on n.execution_id = f.id join execution c on c.parent_node_run_id = n.id
    )
    select e.started_by_id from family f join execution e on e.id = f.id where e.started_by_id is not null
    union
    select x.id from family f join human_task t on t.execution_id = f.id and t.id <> p_task join human_task_decision d on d.task_id = t.id
      cross join lateral (values (d.user_id), (d.voter_id)) as x(id)
     where x.id is not null
$$;
