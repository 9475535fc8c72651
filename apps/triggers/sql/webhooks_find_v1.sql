-- The credential that a node of a version may use: one of its workspace, or one of another that is still shared with the author of the version.
create function usable_credential_v1(p_credential uuid, p_workspace uuid, p_author uuid) returns setof credential language sql stable as $$
    select c.* from credential c
     where c.id = p_credential and (c.expires_at is null or c.expires_at > now())
       and (c.workspace_id = p_workspace
            or exists (select from accounts_user u
                         join credential_grant g on g.credential_id = c.id
                          and (g.user_id = u.id or g.team_id in (select m.team_id from team_member m where m.user_id = u.id))
                        where u.id = p_author and u.is_active))
$$;

-- The webhook behind an address that is open, with what letting a request in and starting its workflow take; no row where nothing is open
-- there. A function, so that its plan is kept: planning it takes longer than looking.
--
-- at            the database's clock, in seconds since 1970
-- credential_*  null where it names none, or one that it may not use
create function webhook_open_v1(p_token text)
returns table (id uuid, workspace_id uuid, workflow_id uuid, node_key text, name text, at double precision, version_id uuid, start jsonb,
               credential_id uuid, credential_workspace_id uuid, credential_type text, credential_fields jsonb, credential_sealed bytea,
               config jsonb, needs_credential boolean, respond_keys jsonb, has_siblings boolean, listener_id uuid)
language plpgsql stable as $$
begin
    return query
    select h.id, h.workspace_id, h.workflow_id, h.node_key::text, w.name::text, extract(epoch from clock_timestamp())::float8, v.id, v.start,
           c.id, c.workspace_id, c.type::text, c.fields, c.sealed,
           h.config, h.needs_credential, h.respond_keys, h.has_siblings, null::uuid
      from webhook h
      join workflow w on w.id = h.workflow_id and w.archived_at is null
      join workflow_version v on v.id = w.published_version_id
      left join usable_credential_v1(h.credential_id, h.workspace_id, v.created_by_id) c on true
     where h.token = p_token and h.is_open;
end $$;

-- The same of a webhook that listens, as its test run has it.
create function webhook_listening_v1(p_token text)
returns table (id uuid, workspace_id uuid, workflow_id uuid, node_key text, name text, at double precision, version_id uuid, start jsonb,
               credential_id uuid, credential_workspace_id uuid, credential_type text, credential_fields jsonb, credential_sealed bytea,
               config jsonb, needs_credential boolean, respond_keys jsonb, has_siblings boolean, listener_id uuid)
language plpgsql stable as $$
begin
    return query
    select h.id, h.workspace_id, h.workflow_id, h.node_key::text, w.name::text, extract(epoch from clock_timestamp())::float8, v.id, v.start,
           c.id, c.workspace_id, c.type::text, c.fields, c.sealed,
           h.listening->'config', (h.listening->>'needs_credential')::boolean, h.listening->'respond_keys',
           (h.listening->>'has_siblings')::boolean, h.listener_id
      from webhook h
      join workflow w on w.id = h.workflow_id and w.archived_at is null
      join workflow_version v on v.id = (h.listening->>'version')::uuid
      left join usable_credential_v1((h.listening->>'credential')::uuid, h.workspace_id, v.created_by_id) c on true
     where h.token = p_token and h.listening_until > clock_timestamp();
end $$;
