-- One step of the bulk re-runs that are under way: note how re-runs ended, stop what fails too often, end what is through, and hand out what
-- is to be started now. Each bulk re-run is taken by one sweeper at a time; an item that was handed out and not started in time is handed
-- out again, which is harmless, since its idempotency key makes one execution.
create function bulk_rerun_step_v1(p_limit int, p_patience interval) returns table (item_id bigint) language plpgsql as $$
declare
    v_now constant timestamptz := clock_timestamp();
    v_bulk bulk_rerun;
    v_waiting int;
    v_open int;
    v_success int;
    v_failed int;
    v_is_proven boolean;
    v_allowed int;
    v_taken int;
begin
    for v_bulk in select b.* from bulk_rerun b where b.status = 'running' order by b.next_at limit p_limit for update skip locked loop
        update bulk_rerun_item i set status = case e.status when 'success' then 'success' else 'failed' end
          from execution e
         where i.bulk_id = v_bulk.id and i.status = 'running' and e.id = i.rerun_id and e.status in ('success', 'failed', 'cancelled');
        update bulk_rerun_item i set status = 'waiting', claimed_at = null
         where i.bulk_id = v_bulk.id and i.status = 'starting' and i.claimed_at < v_now - p_patience;
        select count(*) filter (where i.status = 'waiting'), count(*) filter (where i.status in ('starting', 'running')),
               count(*) filter (where i.status = 'success'), count(*) filter (where i.status in ('failed', 'refused'))
          into v_waiting, v_open, v_success, v_failed
          from bulk_rerun_item i where i.bulk_id = v_bulk.id;
        -- The first ones have to succeed before any other begins.
        v_is_proven := v_success >= least(v_bulk.canary, v_bulk.total);
        if v_failed > (case when v_is_proven then v_bulk.max_failures else 0 end) then
            update bulk_rerun b
               set status = 'stopped', finished_at = v_now, updated_at = v_now,
                   reason = case when v_is_proven then 'too_many_failures' else 'canary_failed' end
             where b.id = v_bulk.id;
            continue;
        end if;
        if v_waiting + v_open = 0 then
            update bulk_rerun b set status = 'done', finished_at = v_now, updated_at = v_now where b.id = v_bulk.id;
            continue;
        end if;
        continue when v_bulk.next_at > v_now or v_waiting = 0;

        -- Never more than what a second brings, however long nobody looked.
        v_allowed := least(1 + floor(extract(epoch from v_now - v_bulk.next_at) * v_bulk.rate_per_minute / 60),
                           greatest(1, ceil(v_bulk.rate_per_minute / 60.0)));
        if not v_is_proven then
            v_allowed := least(v_allowed, v_bulk.canary - v_success - v_open);
        end if;
        v_taken := 0;
        for item_id in
            update bulk_rerun_item i set status = 'starting', claimed_at = v_now
             where i.id in (select w.id from bulk_rerun_item w where w.bulk_id = v_bulk.id and w.status = 'waiting'
                             order by w.id limit greatest(v_allowed, 0))
            returning i.id
        loop
            v_taken := v_taken + 1;
            return next;
        end loop;
        update bulk_rerun b set next_at = v_now + v_taken * interval '1 minute' / b.rate_per_minute
         where b.id = v_bulk.id and v_taken > 0;
    end loop;
end $$;
