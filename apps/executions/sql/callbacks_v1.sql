-- Note the end of an execution whose starter is to be called back, where its version has not had it noted already. A trigger of its own:
-- whoever changes what versions ask for need not know of callbacks.
create function callback_is_due_v1() returns trigger language plpgsql security definer as $$
begin
    if exists (select from execution_callback c where c.execution_id = new.id) then
        insert into execution_ending (execution_id, workspace_id, at) values (new.id, new.workspace_id, new.finished_at)
        on conflict do nothing;
    end if;
    return null;
end $$;

-- Its name comes after `execution_ended`, and so does its turn.
create trigger execution_ended_callback after update of status on execution for each row
    when (old.finished_at is null and new.finished_at is not null) execute function callback_is_due_v1();
