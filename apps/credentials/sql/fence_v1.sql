-- What was shared with the person for whom the web role works; see fence_v1.sql of the accounts. Nothing where a key names one workspace.

create or replace function fence_credentials() returns uuid[] language plpgsql stable parallel safe security definer as $$
declare
    v_user constant uuid := nullif(current_setting('structforge.user', true), '');
    v_teams uuid[];
begin
    if v_user is null or nullif(current_setting('structforge.workspace', true), '') is not null then
        return '{}';
    end if;
    v_teams := fence_teams();
    return array(select g.credential_id from credential_grant g where g.user_id = v_user or g.team_id = any (v_teams));
end $$;
