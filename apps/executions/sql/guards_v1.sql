-- A settled node run stays as it is, whoever asks.
create function node_run_is_settled_v1() returns trigger language plpgsql as $$
begin
    raise exception 'node run %/%: % -> % leaves a settled status', old.execution_id, old.key, old.status, new.status
        using errcode = 'check_violation';
end $$;

create trigger node_run_settled before update on node_run for each row
    when (old.status in ('success', 'failed', 'skipped', 'cancelled') and new.status is distinct from old.status)
    execute function node_run_is_settled_v1();

alter table node_run set (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02);
alter table execution set (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02);
alter table gate set (fillfactor = 70);
