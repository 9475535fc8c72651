-- What was shared with the person for whom the web role works; see fence_v1.sql of the accounts. Nothing where a key names one workspace.

-- Workflows that were shared, by themselves or by a folder around them.
create or replace function fence_workflows() returns uuid[] language plpgsql stable parallel safe security definer as $$
declare
    v_user constant uuid := nullif(current_setting('structforge.user', true), '');
    v_teams uuid[];
begin
    if v_user is null or nullif(current_setting('structforge.workspace', true), '') is not null then
        return '{}';
    end if;
    v_teams := fence_teams();
    return array(
        select g.workflow_id from workflow_grant g
         where (g.user_id = v_user or g.team_id = any (v_teams)) and g.workflow_id is not null
        union
        select w.id from workflow_grant g join folder f on f.ancestors @> array[g.folder_id] join workflow w on w.folder_id = f.id
         where (g.user_id = v_user or g.team_id = any (v_teams)) and g.folder_id is not null);
end $$;

-- Folders that were shared, without those within them.
create or replace function fence_folders() returns uuid[] language plpgsql stable parallel safe security definer as $$
declare
    v_user constant uuid := nullif(current_setting('structforge.user', true), '');
    v_teams uuid[];
begin
    if v_user is null or nullif(current_setting('structforge.workspace', true), '') is not null then
        return '{}';
    end if;
    v_teams := fence_teams();
    return array(select g.folder_id from workflow_grant g
                  where (g.user_id = v_user or g.team_id = any (v_teams)) and g.folder_id is not null);
end $$;

-- Workspaces in which something was shared: their names are seen with it.
create or replace function fence_hosts() returns uuid[] language plpgsql stable parallel safe security definer as $$
declare
    v_user constant uuid := nullif(current_setting('structforge.user', true), '');
    v_teams uuid[];
begin
    if v_user is null or nullif(current_setting('structforge.workspace', true), '') is not null then
        return '{}';
    end if;
    v_teams := fence_teams();
    return array(select distinct g.workspace_id from workflow_grant g where g.user_id = v_user or g.team_id = any (v_teams));
end $$;
