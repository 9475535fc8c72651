-- The webhooks of a workflow follow its published version, whoever publishes it: the nodes `trigger.webhook` that are not disabled are open,
-- all others closed. An address stays the same as long as its node keeps its key.
create function webhooks_follow_v1() returns trigger language plpgsql security definer as $$
declare
    v_nodes jsonb := '[]';
begin
    select coalesce(jsonb_agg(n), '[]') into v_nodes
      from workflow_version v, jsonb_array_elements(v.definition->'nodes') n
     where v.id = new.published_version_id and coalesce(n->>'disabled', 'false') = 'false'
       and (n->>'type' like 'trigger.%' or n->>'type' = 'webhook.respond');

    update webhook w set is_open = false, updated_at = now()
     where w.workflow_id = new.id and w.is_open
       and not exists (select from jsonb_array_elements(v_nodes) n where n->>'key' = w.node_key and n->>'type' = 'trigger.webhook');

    insert into webhook as w (id, created_at, updated_at, workspace_id, workflow_id, node_key, token, is_open, config, credential_id,
                              needs_credential, respond_keys, has_siblings)
    select gen_random_uuid(), now(), now(), new.workspace_id, new.id, n->>'key', webhook_token_v1(), true, coalesce(n->'config', '{}'),
           (select c.id from credential c where c.id::text = n->'credentials'->>'default'), coalesce(n->'credentials' ? 'default', false),
           (select coalesce(jsonb_agg(r->>'key'), '[]') from jsonb_array_elements(v_nodes) r where r->>'type' = 'webhook.respond'),
           (select count(*) > 1 from jsonb_array_elements(v_nodes) t where t->>'type' <> 'webhook.respond')
      from jsonb_array_elements(v_nodes) n where n->>'type' = 'trigger.webhook'
    on conflict (workflow_id, node_key) do update
       set is_open = true, updated_at = now(), config = excluded.config, credential_id = excluded.credential_id,
           needs_credential = excluded.needs_credential, respond_keys = excluded.respond_keys, has_siblings = excluded.has_siblings;
    return null;
end $$;

-- A new secret part of an address: 244 random bits.
create function webhook_token_v1() returns text language sql volatile as $$
    select replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', '')
$$;

create trigger webhooks_follow after update of published_version_id on workflow
    for each row when (old.workspace_id = new.workspace_id) execute function webhooks_follow_v1();

-- A workflow that moves to another workspace keeps no address that its old one gave away: the webhooks go, with what they received, and
-- publishing it there makes others.
create function webhooks_move_v1() returns trigger language plpgsql security definer as $$
begin
    delete from webhook_call c using webhook w where w.id = c.webhook_id and w.workflow_id = new.id;
    delete from webhook w where w.workflow_id = new.id;
    return null;
end $$;

create trigger webhooks_move after update of workspace_id on workflow
    for each row when (old.workspace_id is distinct from new.workspace_id) execute function webhooks_move_v1();

-- Keep a call and start its execution, in one statement. Where a call of this webhook with the same de-duplication key was kept before,
-- nothing is made, and the earlier one's execution is returned.
--
-- p_workspace … p_sent   as of start_in_line_v1, with one start
-- p_call                 the columns of webhook_call that the caller knows
create function webhook_accept_v1(
    p_workspace uuid, p_workflow uuid, p_version uuid, p_starts jsonb, p_entries jsonb, p_trigger text, p_priority text, p_started_by uuid,
    p_timeout_seconds double precision, p_due interval, p_sent int, p_call jsonb
) returns table (execution_id uuid, is_new boolean, is_limited boolean) language plpgsql as $$
declare
    v_id constant uuid := p_call->>'id';
    v_kept webhook_call;
begin
    insert into webhook_call as k (id, workspace_id, webhook_id, state, method, path, query, headers, body, size_bytes, ip, dedup_key,
                                   execution_id, replay_of_id, created_at)
    select v_id, p_workspace, c.webhook, 'started', c.method, c.path, c.query, c.headers, c.body, c.size_bytes, c.ip, c.dedup_key,
           (p_starts->0->>'id')::uuid, c.replay_of, clock_timestamp()
      from jsonb_to_record(p_call) as c(webhook uuid, method text, path text, query jsonb, headers jsonb, body jsonb, size_bytes int,
                                        ip inet, dedup_key text, replay_of uuid)
    on conflict (webhook_id, dedup_key) where dedup_key is not null do update set duplicates = k.duplicates + 1
    returning * into v_kept;
    if v_kept.id <> v_id then
        return query select v_kept.execution_id, false, false;
        return;
    end if;
    return query select s.execution_id, s.is_new, s.is_limited from start_in_line_v1(
        p_workspace, p_workflow, p_version, p_starts, p_entries, p_trigger, p_priority, p_started_by, p_timeout_seconds, p_due, p_sent) s;
end $$;
