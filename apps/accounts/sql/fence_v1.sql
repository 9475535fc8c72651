-- For whom the web role works, and what that person is in. Policies ask these, once for each statement.
-- `structforge.user` is the person; `structforge.workspace`, where it is not empty, the only workspace that counts, as for an API key.

create or replace function fence_user() returns uuid language sql stable parallel safe as $$
    select nullif(current_setting('structforge.user', true), '')::uuid
$$;

-- Reads memberships as the owner of the tables: the policy of memberships asks it itself.
create or replace function fence_workspaces() returns uuid[] language plpgsql stable parallel safe security definer as $$
declare
    v_user constant uuid := nullif(current_setting('structforge.user', true), '');
    v_only constant uuid := nullif(current_setting('structforge.workspace', true), '');
begin
    if v_only is null then
        return array(select m.workspace_id from membership m where m.user_id = v_user);
    end if;
    -- The key of an operator opens a workspace whose member the operator need not be.
    return array(select v_only
                  where exists (select from membership m where m.user_id = v_user and m.workspace_id = v_only)
                     or exists (select from accounts_user u where u.id = v_user and u.is_superuser));
end $$;

-- Teams count for what is shared with them, and no share reaches through a key.
create or replace function fence_teams() returns uuid[] language plpgsql stable parallel safe security definer as $$
declare
    v_user constant uuid := nullif(current_setting('structforge.user', true), '');
begin
    return case when nullif(current_setting('structforge.workspace', true), '') is null
                then array(select t.team_id from team_member t where t.user_id = v_user) else '{}' end;
end $$;
