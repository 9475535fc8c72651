-- These count as the owner of the tables: a limit holds for all that there is, not for what the caller sees of it.

-- How much of what is limited there is now; null where it has not been measured.
--
-- p_subject   the workflow, for versions_per_workflow; null: of the one that has most
create function quota_used_v1(p_name text, p_scope text, p_owner uuid, p_subject uuid) returns bigint language plpgsql security definer as $$
declare
    v_midnight timestamptz := date_trunc('day', clock_timestamp() at time zone 'UTC') at time zone 'UTC';
begin
    return case p_scope || '.' || p_name
        when 'workspace.workflows' then (select count(*) from workflow w where w.workspace_id = p_owner)
        when 'user.workflows' then (select count(*) from workflow w where w.created_by_id = p_owner)
        when 'workspace.members' then (select count(*) from membership m where m.workspace_id = p_owner)
        when 'workspace.versions_per_workflow' then
            case when p_subject is not null then (select count(*) from workflow_version v where v.workflow_id = p_subject)
                 else (select coalesce(max(c.count), 0) from (select count(*) from workflow_version v where v.workspace_id = p_owner
                                                               group by v.workflow_id) c) end
        when 'workspace.stored_bytes' then (select u.bytes from storage_use u where u.workspace_id = p_owner)
        when 'workspace.executions_per_day' then
            (select count(*) from execution e where e.workspace_id = p_owner and e.created_at >= v_midnight)
        when 'user.executions_per_day' then
            (select count(*) from execution e where e.started_by_id = p_owner and e.created_at >= v_midnight)
    end;
end $$;

-- Whether there is room for p_adding more: null, or the first limit that there is none under, as {"name", "scope", "limit", "used"}.
--
-- p_limits   [{"name": str, "scope": "workspace" | "user", "owner": uuid, "limit": int}]
-- Until the caller's transaction ends nobody else passes a check of the same limit.
create function quota_check_v1(p_limits jsonb, p_subject uuid, p_adding bigint) returns jsonb language plpgsql security definer as $$
declare
    l record;
    v_used bigint;
begin
    for l in select * from jsonb_to_recordset(p_limits) as x(name text, scope text, owner uuid, "limit" bigint) order by x.owner loop
        perform pg_advisory_xact_lock(hashtext('quota ' || l.name), hashtext(l.owner::text));
        v_used := quota_used_v1(l.name, l.scope, l.owner, p_subject);
        if v_used + p_adding > l."limit" then
            return jsonb_build_object('name', l.name, 'scope', l.scope, 'limit', l."limit", 'used', v_used);
        end if;
    end loop;
    return null;
end $$;

-- Count p_adding more executions of today, which the caller's transaction has just made. Raises SFQ01 where they are too many, with the
-- same object as quota_check_v1 as its detail.
create function quota_take_v1(p_limits jsonb, p_adding bigint) returns void language plpgsql security definer as $$
declare
    l record;
    v_today date := (clock_timestamp() at time zone 'UTC')::date;
    v_used bigint;
begin
    if p_adding = 0 then
        return;
    end if;
    for l in select * from jsonb_to_recordset(p_limits) as x(name text, scope text, owner uuid, "limit" bigint) order by x.owner loop
        loop
            update quota_day q set used = q.used + p_adding
             where q.scope = l.scope and q.owner = l.owner and q.day = v_today and q.used + p_adding <= l."limit";
            exit when found;
            select q.used into v_used from quota_day q where q.scope = l.scope and q.owner = l.owner and q.day = v_today;
            if found then
                raise exception 'quota % exceeded', l.name using errcode = 'SFQ01', detail = jsonb_build_object(
                    'name', l.name, 'scope', l.scope, 'limit', l."limit", 'used', v_used)::text;
            end if;
            -- The day's first start under the limit counts those before it. Of two such the second waits here, and then adds.
            insert into quota_day (scope, owner, day, used)
            values (l.scope, l.owner, v_today, greatest(quota_used_v1(l.name, l.scope, l.owner, null) - p_adding, 0))
            on conflict (scope, owner, day) do nothing;
        end loop;
    end loop;
end $$;

-- Bytes that PostgreSQL keeps of a workspace: definitions, and the inputs and outputs of executions and node runs. Sizes as stored, which is
-- after compression; reading them does not read the values.
create function stored_bytes_v1(p_workspace uuid) returns bigint language sql as $$
    select coalesce((select sum(coalesce(pg_column_size(v.definition), 0) + coalesce(pg_column_size(v.start), 0))
                       from workflow_version v where v.workspace_id = p_workspace), 0)::bigint
         + coalesce((select sum(coalesce(pg_column_size(e.input), 0) + coalesce(pg_column_size(e.output), 0)
                                + coalesce(pg_column_size(e.variables), 0) + r.size)
                       from execution e,
                            lateral (select coalesce(sum(coalesce(pg_column_size(n.input), 0) + coalesce(pg_column_size(n.output), 0)), 0) as size
                                       from node_run n where n.execution_id = e.id) r
                      where e.workspace_id = p_workspace), 0)::bigint
$$;
