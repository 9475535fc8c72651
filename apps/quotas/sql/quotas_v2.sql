-- What starts from SQL and from within an execution need besides: which limits concern them, and words in place of a bare code.

-- The limits on starts in a workspace, in the shape that the other functions take; null: none. Somebody's own goes before the default of all.
create function quota_limits_v1(p_workspace uuid, p_user uuid) returns jsonb language sql stable security definer as $$
    select jsonb_agg(jsonb_build_object('name', l.name, 'scope', l.scope, 'owner', l.owner, 'limit', l."limit"))
      from (select distinct on (q.scope, q.name) q.scope, q.name, q."limit",
                   case q.scope when 'workspace' then p_workspace else p_user end as owner
              from quota q
             where q.name in ('executions_per_day', 'stored_bytes')
               and (q.scope = 'workspace' and coalesce(q.workspace_id, p_workspace) = p_workspace
                    or q.scope = 'user' and coalesce(q.user_id, p_user) = p_user)
             order by q.scope, q.name, coalesce(q.workspace_id, q.user_id) nulls last) l
     where l."limit" is not null
$$;

-- Refuse, in words for whoever reads the error of a statement; the detail is for programs.
create function quota_refuse_v1(p_name text, p_scope text, p_limit bigint, p_used bigint) returns void language plpgsql as $$
begin
    raise exception 'quota exceeded: this % has % of at most % %; there is no room for more',
            case p_scope when 'user' then 'person' else p_scope end, p_used, p_limit, replace(p_name, '_', ' ')
        using errcode = 'SFQ01',
              hint = case p_name when 'executions_per_day' then 'Counting begins anew at midnight UTC.'
                                 else 'What is stored is measured now and then: delete something, and wait for the next measurement.' end,
              detail = jsonb_build_object('name', p_name, 'scope', p_scope, 'limit', p_limit, 'used', p_used)::text;
end $$;

-- As before, with words; and where limits on stored bytes are among the limits, they are looked at first, as last measured.
create or replace function quota_take_v1(p_limits jsonb, p_adding bigint) returns void language plpgsql security definer as $$
declare
    l record;
    v_today date := (clock_timestamp() at time zone 'UTC')::date;
    v_used bigint;
begin
    if p_adding = 0 then
        return;
    end if;
    for l in select * from jsonb_to_recordset(p_limits) as x(name text, scope text, owner uuid, "limit" bigint)
              order by x.name = 'executions_per_day', x.owner loop
        if l.name <> 'executions_per_day' then
            v_used := quota_used_v1(l.name, l.scope, l.owner, null);
            if v_used > l."limit" then
                perform quota_refuse_v1(l.name, l.scope, l."limit", v_used);
            end if;
            continue;
        end if;
        loop
            update quota_day q set used = q.used + p_adding
             where q.scope = l.scope and q.owner = l.owner and q.day = v_today and q.used + p_adding <= l."limit";
            exit when found;
            select q.used into v_used from quota_day q where q.scope = l.scope and q.owner = l.owner and q.day = v_today;
            if found then
                perform quota_refuse_v1(l.name, l.scope, l."limit", v_used);
            end if;
            -- The day's first start under the limit counts those before it. Of two such the second waits here, and then adds.
            insert into quota_day (scope, owner, day, used)
            values (l.scope, l.owner, v_today, greatest(quota_used_v1(l.name, l.scope, l.owner, null) - p_adding, 0))
            on conflict (scope, owner, day) do nothing;
        end loop;
    end loop;
end $$;

-- Count p_adding more executions of today, which the caller's transaction has just made, and refuse none: they are owed for others that
-- were counted and accepted.
create function quota_count_v1(p_limits jsonb, p_adding bigint) returns void language plpgsql security definer as $$
declare
    l record;
    v_today date := (clock_timestamp() at time zone 'UTC')::date;
begin
    if p_adding = 0 then
        return;
    end if;
    for l in select * from jsonb_to_recordset(p_limits) as x(name text, scope text, owner uuid)
              where x.name = 'executions_per_day' order by x.owner loop
        loop
            update quota_day q set used = q.used + p_adding where q.scope = l.scope and q.owner = l.owner and q.day = v_today;
            exit when found;
            insert into quota_day (scope, owner, day, used)
            values (l.scope, l.owner, v_today, greatest(quota_used_v1(l.name, l.scope, l.owner, null) - p_adding, 0))
            on conflict (scope, owner, day) do nothing;
        end loop;
    end loop;
end $$;
