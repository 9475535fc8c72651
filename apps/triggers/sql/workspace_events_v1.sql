-- Listeners follow the published version of their workflow, as webhooks do.
create function event_listeners_follow_v1() returns trigger language plpgsql security definer as $$
begin
    delete from event_listener l where l.workflow_id = new.id;
    insert into event_listener (id, created_at, updated_at, workspace_id, workflow_id, node_key, types, filter, has_siblings)
    select gen_random_uuid(), now(), now(), new.workspace_id, new.id, n->>'key', coalesce(n->'config'->'types', '[]'),
           coalesce(n->'config'->>'filter', ''),
           (select count(*) > 1 from jsonb_array_elements(v.definition->'nodes') t
             where t->>'type' like 'trigger.%' and coalesce(t->>'disabled', 'false') = 'false')
      from workflow_version v, jsonb_array_elements(v.definition->'nodes') n
     where v.id = new.published_version_id and new.archived_at is null
       and n->>'type' = 'trigger.event' and coalesce(n->>'disabled', 'false') = 'false';
    return null;
end $$;

create trigger event_listeners_follow after update of published_version_id, archived_at on workflow
    for each row when (old.workspace_id = new.workspace_id) execute function event_listeners_follow_v1();

create function event_listeners_move_v1() returns trigger language plpgsql security definer as $$
begin
    delete from event_listener l where l.workflow_id = new.id;
    return null;
end $$;

create trigger event_listeners_move after update of workspace_id on workflow
    for each row when (old.workspace_id is distinct from new.workspace_id) execute function event_listeners_move_v1();

-- How many events led to an execution: those of the event that started it, or started what it is a part of, and that one.
create function event_depth_v1(p_execution uuid) returns int language sql stable as $$
    with recursive line(id, trigger, key, parent, steps) as (
        select e.id, e.trigger, e.idempotency_key, e.parent_node_run_id, 0 from execution e where e.id = p_execution
        union all
        select e.id, e.trigger, e.idempotency_key, e.parent_node_run_id, l.steps + 1
          from line l join node_run n on n.id = l.parent join execution e on e.id = n.execution_id where l.steps < 20
    )
    select coalesce(max(v.depth) + 1, 0) from line l join event v on v.id::text = split_part(l.key, ':', 2) where l.trigger = 'event'
$$;

-- Whether anybody in a workspace listens for events of this type, or waits for this one. Asked at the end of every execution, so it looks at
-- two short indexes and nothing else.
create function event_is_heard_v1(p_workspace uuid, p_type text, p_subject text) returns boolean language sql stable as $$
    select exists (select from event_listener l, jsonb_array_elements_text(l.types) t
                    where l.workspace_id = p_workspace and p_type like replace(replace(replace(t, '\', '\\'), '_', '\_'), '*', '%'))
           or exists (select from node_run n
                       where n.workspace_id = p_workspace and n.waits_for = format('event:%s:%s', p_type, p_subject) and n.status = 'waiting')
$$;

-- Keep an event of this installation. One that too many events led to is kept as well, and goes nowhere.
create function note_event_v1(p_workspace uuid, p_type text, p_subject text, p_key text, p_execution uuid, p_data jsonb) returns void
language plpgsql security definer as $$
declare
    v_depth int;
begin
    v_depth := event_depth_v1(p_execution);
    insert into event (id, workspace_id, origin, type, source, event_id, subject, time, data, depth, created_at, started, problems, delivered_at)
    values (gen_random_uuid(), p_workspace, 'internal', p_type, 'structforge', p_key, p_subject, clock_timestamp(), p_data, v_depth,
            clock_timestamp(), '[]',
            case when v_depth > 8 then jsonb_build_array(jsonb_build_object('code', 'too_deep', 'message',
                'More than 8 events led to this one, each by starting a workflow: it is not delivered.')) else '[]' end,
            case when v_depth > 8 then clock_timestamp() end)
    on conflict do nothing;
end $$;

create function note_execution_finished_v1() returns trigger language plpgsql security definer as $$
begin
    if not event_is_heard_v1(new.workspace_id, 'execution.finished', new.id::text) then
        return null;
    end if;
    perform note_event_v1(
        new.workspace_id, 'execution.finished', new.id::text, 'execution.finished:' || new.id, new.id,
        (select jsonb_build_object('execution', new.id, 'workflow', w.id, 'workflow_name', w.name, 'version', v.number, 'status', new.status,
                                   'trigger', new.trigger, 'business_key', new.business_key, 'error', new.error->>'code')
           from workflow w join workflow_version v on v.id = new.version_id where w.id = new.workflow_id));
    return null;
end $$;

create trigger execution_finished_event after update of status on execution for each row
    when (old.finished_at is null and new.finished_at is not null) execute function note_execution_finished_v1();

create function note_node_failed_v1() returns trigger language plpgsql security definer as $$
begin
    if not event_is_heard_v1(new.workspace_id, 'node.failed', new.execution_id::text) then
        return null;
    end if;
    perform note_event_v1(
        new.workspace_id, 'node.failed', new.execution_id::text, format('node.failed:%s', new.id), new.execution_id,
        (select jsonb_build_object('execution', e.id, 'workflow', w.id, 'workflow_name', w.name, 'node', new.key, 'path', new.path,
                                   'attempt', new.attempt, 'error', new.error->>'code', 'message', left(new.error->>'message', 1000))
           from execution e join workflow w on w.id = e.workflow_id where e.id = new.execution_id));
    return null;
end $$;

create trigger node_failed_event after update of status on node_run for each row
    when (new.status = 'failed' and old.status is distinct from 'failed') execute function note_node_failed_v1();
-- A pure node that rides along has a row only once it has ended.
create trigger node_failed_event_new after insert on node_run for each row
    when (new.status = 'failed' and new.origin is null) execute function note_node_failed_v1();

create function note_task_created_v1() returns trigger language plpgsql security definer as $$
begin
    if not event_is_heard_v1(new.workspace_id, 'task.created', new.id::text) then
        return null;
    end if;
    perform note_event_v1(
        new.workspace_id, 'task.created', new.id::text, format('task.created:%s', new.id), new.execution_id,
        (select jsonb_build_object('task', new.id, 'title', new.title, 'execution', e.id, 'workflow', w.id, 'workflow_name', w.name,
                                   'node', new.key, 'path', new.path)
           from execution e join workflow w on w.id = e.workflow_id where e.id = new.execution_id));
    return null;
end $$;

create trigger task_created_event after insert on human_task for each row execute function note_task_created_v1();
