-- Keep an event of this installation: one more execution led to it than to the one that it is about. Whether these are too many is for
-- whoever delivers it to say.
create or replace function note_event_v1(p_workspace uuid, p_type text, p_subject text, p_key text, p_execution uuid, p_data jsonb) returns void
language plpgsql security definer as $$
begin
    insert into event (id, workspace_id, origin, type, source, event_id, subject, time, data, depth, created_at, started, problems)
    select gen_random_uuid(), p_workspace, 'internal', p_type, 'structforge', p_key, p_subject, clock_timestamp(), p_data, e.depth + 1,
           clock_timestamp(), '[]', '[]'
      from execution e where e.id = p_execution
    on conflict do nothing;
end $$;

-- Nothing but the function above ever called it.
drop function event_depth_v1(uuid);
