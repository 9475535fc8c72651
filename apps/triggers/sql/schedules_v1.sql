-- A workflow that moves to another workspace takes its schedules along, disabled: whoever receives it decides whether it starts by itself.
-- Calendars, addresses that alerts go to, and alerts stay behind with the old workspace.
create function schedules_move_v1() returns trigger language plpgsql security definer as $$
begin
    delete from schedule_on_calendar c using schedule s where s.id = c.schedule_id and s.workflow_id = new.id;
    delete from schedule_alert a where a.workflow_id = new.id;
    delete from schedule_run r using schedule s where s.id = r.schedule_id and s.workflow_id = new.id;
    update schedule set workspace_id = new.workspace_id, enabled = false, next_run_time = null, next_fire_at = null, notify = '{}'
     where workflow_id = new.id;
    return null;
end $$;

create trigger schedules_move after update of workspace_id on workflow
    for each row when (old.workspace_id is distinct from new.workspace_id) execute function schedules_move_v1();
