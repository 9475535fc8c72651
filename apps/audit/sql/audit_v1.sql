-- The audit log: rows that are only ever added, each with the hash of the one before it in its chain. There is a chain for each workspace, and
-- one (00000000-…) for what belongs to none.

-- What the hash of an entry covers: all of it, and the hash before. Text of one meaning only: a JSON array, instants in UTC.
create function audit_hash_v1(e audit_entry) returns text language sql stable as $$
    select encode(sha256(convert_to(jsonb_build_array(
        e.previous_hash, e.id, e.workspace_id, to_char(e.at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US'), e.actor_id, e.actor_name,
        e.via, host(e.ip), e.user_agent, e.verb, e.object_type, e.object_id, e.object_name, e.before, e.after, e.request_id
    )::text, 'UTF8')), 'hex')
$$;

-- Add entries and return the number of the last.
--
-- p_entries   [{"workspace": uuid | null, "personal_of": uuid | null, "actor": uuid | null, "actor_name": str, "via": str, "ip": str | null,
--               "user_agent": str, "verb": str, "object_type": str, "object_id": str, "object_name": str, "before": any, "after": any,
--               "request_id": str}]
-- It writes as the owner of the tables: what somebody did is recorded wherever it belongs, also where that person sees nothing.
-- The lock on the chain's row is held until the transaction ends, so that entries stand in the order of their commits.
create function audit_record_v1(p_entries jsonb) returns bigint language plpgsql security definer as $$
declare
    d jsonb;
    e audit_entry;
    c audit_chain;
    v_key uuid;
begin
    for d in select value from jsonb_array_elements(p_entries) loop
        e := null;
        e.workspace_id := coalesce((d->>'workspace')::uuid,
            (select w.id from workspace w where w.owner_id = (d->>'personal_of')::uuid and w.is_personal));
        v_key := coalesce(e.workspace_id, '00000000-0000-0000-0000-000000000000');
        if c.key is distinct from v_key then
            update audit_chain set hash = c.hash, last_id = c.last_id where key = c.key;
            select * into c from audit_chain where key = v_key for update;
            if not found then
                insert into audit_chain (key, hash, last_id, start_hash, start_id, pruned_at) values (v_key, '', 0, '', 0, null)
                on conflict (key) do nothing;
                select * into c from audit_chain where key = v_key for update;
            end if;
        end if;
        e.id := nextval(pg_get_serial_sequence('audit_entry', 'id'));
        e.at := clock_timestamp();
        e.actor_id := (d->>'actor')::uuid;
        e.actor_name := d->>'actor_name';
        e.via := d->>'via';
        e.ip := (d->>'ip')::inet;
        e.user_agent := d->>'user_agent';
        e.verb := d->>'verb';
        e.object_type := d->>'object_type';
        e.object_id := d->>'object_id';
        e.object_name := d->>'object_name';
        e.before := nullif(d->'before', 'null');
        e.after := nullif(d->'after', 'null');
        e.request_id := d->>'request_id';
        e.previous_hash := c.hash;
        e.hash := audit_hash_v1(e);
        insert into audit_entry select e.*;
        c.hash := e.hash;
        c.last_id := e.id;
    end loop;
    update audit_chain set hash = c.hash, last_id = c.last_id where key = c.key;
    return c.last_id;
end $$;

create function audit_is_append_only_v1() returns trigger language plpgsql as $$
begin
    if tg_op = 'DELETE' and current_setting('structforge.prunes_audit', true) = 'on'
       or tg_op = 'TRUNCATE' and current_setting('structforge.empties_audit', true) = 'on' then
        return old;
    end if;
    raise exception 'the audit log is append-only: % is refused', tg_op using errcode = 'insufficient_privilege';
end $$;

create trigger audit_entry_append_only before update or delete on audit_entry
    for each row execute function audit_is_append_only_v1();
create trigger audit_entry_not_emptied before truncate on audit_entry
    for each statement execute function audit_is_append_only_v1();

-- Entries of one chain from the one after p_after, in order.
create function audit_entries_v1(p_workspace uuid, p_after bigint, p_limit int) returns setof audit_entry language plpgsql stable as $$
begin
    if p_workspace is null then
        return query select * from audit_entry e where e.workspace_id is null and e.id > p_after order by e.id limit p_limit;
    else
        return query select * from audit_entry e where e.workspace_id = p_workspace and e.id > p_after order by e.id limit p_limit;
    end if;
end $$;

-- Check up to p_limit entries of a chain, from the one after p_after.
--
-- checked     how many were looked at
-- last_id     the last of them; p_after where there was none
-- is_end      whether the chain ends there
-- broken_id   the first entry that is wrong, null where all is well
-- fault       'changed': its content is not what was hashed; 'cut': what stood before it is missing, changed or in another order;
--             'ends_early': entries after it are missing
-- One snapshot for all of it, since the function is stable: what is added meanwhile is not seen.
create function audit_verify_v1(p_workspace uuid, p_after bigint, p_limit int)
returns table (checked bigint, last_id bigint, is_end boolean, broken_id bigint, fault text) language plpgsql stable as $$
declare
    c audit_chain;
    v_start text;
    v_last_hash text;
begin
    select * into c from audit_chain where key = coalesce(p_workspace, '00000000-0000-0000-0000-000000000000');
    if p_after > 0 then
        select e.hash into v_start from audit_entry e where e.id = p_after and e.workspace_id is not distinct from p_workspace;
    end if;
    v_start := coalesce(v_start, c.start_hash, '');

    select count(*), max(l.id), (array_agg(l.hash order by l.id desc))[1],
           min(l.id) filter (where l.fault is not null), (array_agg(l.fault order by l.id) filter (where l.fault is not null))[1]
      into checked, last_id, v_last_hash, broken_id, fault
      from (select e.id, e.hash,
                   case when e.previous_hash <> coalesce(lag(e.hash) over (order by e.id), v_start) then 'cut'
                        when e.hash <> audit_hash_v1(e) then 'changed' end as fault
              from audit_entries_v1(p_workspace, p_after, p_limit) e) l;

    is_end := checked < p_limit;
    if broken_id is null and is_end and coalesce(v_last_hash, v_start) <> coalesce(c.hash, '') then
        broken_id := coalesce(last_id, p_after);
        fault := 'ends_early';
    end if;
    last_id := coalesce(last_id, p_after);
    return next;
end $$;

-- Delete up to p_limit entries of each chain that are older than p_before, oldest first, and return how many. The chain remembers the hash
-- that its oldest entry follows. Nothing of the last thirty days is ever deleted.
create function audit_prune_v1(p_before timestamptz, p_limit int) returns bigint language plpgsql as $$
declare
    c record;
    v_until bigint;
    v_hash text;
    v_count bigint;
    v_all bigint := 0;
begin
    if p_before > now() - interval '30 days' then
        raise exception 'the audit log of the last 30 days is kept, and % is later than that', p_before using errcode = 'insufficient_privilege';
    end if;
    perform set_config('structforge.prunes_audit', 'on', true);
    for c in select k.key, nullif(k.key, '00000000-0000-0000-0000-000000000000') as workspace from audit_chain k
              where k.key in (select coalesce(o.workspace_id, '00000000-0000-0000-0000-000000000000')
                                from (select e.workspace_id from audit_entry e where e.at < p_before order by e.at limit p_limit) o)
              order by k.key for update skip locked loop
        select max(e.id), count(*), (array_agg(e.hash order by e.id desc))[1] into v_until, v_count, v_hash
          from (select a.id, a.hash, bool_and(a.at < p_before) over (order by a.id) as is_old
                  from audit_entries_v1(c.workspace, 0, p_limit) a) e
         where e.is_old;
        if v_count > 0 then
            delete from audit_entry e where e.workspace_id is not distinct from c.workspace and e.id <= v_until;
            update audit_chain set start_hash = v_hash, start_id = v_until, pruned_at = now() where key = c.key;
            v_all := v_all + v_count;
        end if;
    end loop;
    perform set_config('structforge.prunes_audit', 'off', true);
    return v_all;
end $$;
