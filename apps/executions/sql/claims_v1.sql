-- Claims that are held by a person or by a sweeper, until it has settled them, name no worker. They named the one that was lost; and whoever
-- looks for claims of dead workers let these lapse.

-- As before, and a claim of a person whose decision is never settled falls back to uncertain: its effect stays on record. (It was forgotten,
-- so that the node run was taken for one that had not begun, and ran again.)
create or replace function resolve_uncertain_v1(p_node_run bigint, p_rerun boolean, p_token uuid, p_due interval)
returns jsonb language plpgsql as $$
declare
    v_execution uuid;
    v_result jsonb;
begin
    select n.execution_id into v_execution from node_run n where n.id = p_node_run;
    perform 1 from execution e where e.id = v_execution for no key update;
    update node_run n
       set status = case when p_rerun then 'queued' else 'running' end, revision = n.revision + 1,
           queued_at = case when p_rerun then clock_timestamp() else n.queued_at end,
           due_at = case when p_rerun then clock_timestamp() + p_due end, sends = 0,
           effect_started_at = case when not p_rerun then n.effect_started_at end,
           attempt = n.attempt + p_rerun::int,
           worker = '',
           claim_token = case when p_rerun then null else p_token end,
           lease_until = case when p_rerun then null else clock_timestamp() + interval '30 s' end
      from execution e
     where n.id = p_node_run and n.status = 'uncertain' and e.id = n.execution_id and e.status in ('running', 'paused')
    returning jsonb_build_object('execution', n.execution_id, 'key', n.key, 'path', n.path, 'queue', n.queue, 'attempt', n.attempt,
              'revision', n.revision, 'status', n.status, 'workspace', n.workspace_id, 'priority', e.priority, 'version', e.version_id) into v_result;
    return v_result;
end $$;

-- As before, and only a worker counts as lost; `worker` is that one, empty where a person or a sweeper held the claim.
create or replace function rescue_v1(p_limit int, p_max_losses int, p_token uuid, p_due interval, p_workers text[])
returns table (execution_id uuid, workspace_id uuid, key text, path text, queue text, status text, priority text, version_id uuid,
               attempt int, revision int, worker text) language sql as $$
    with lapsed as materialized (
        select n.id, n.worker, lost.losses, e.priority, e.version_id,
               case when n.on_worker_lost = 'ask' and n.effect_started_at is not null then 'uncertain'
                    when n.on_worker_lost = 'fail' and n.effect_started_at is not null or lost.losses >= p_max_losses then 'running'
                    else 'queued' end as verdict
          from node_run n join execution e on e.id = n.execution_id
               cross join lateral (select n.losses + (n.worker <> '')::int as losses) lost
         where n.status = 'running' and n.lease_until <= (select clock_timestamp()) and (p_workers is null or n.worker = any (p_workers))
         order by n.lease_until limit p_limit for update of n skip locked
    )
    update node_run n
       set status = l.verdict, losses = l.losses, revision = n.revision + 1,
           attempt = n.attempt + (l.verdict = 'queued')::int,
           worker = case when l.verdict = 'running' then '' else n.worker end,
           claim_token = case when l.verdict = 'running' then p_token end,
           lease_until = case when l.verdict = 'running' then clock_timestamp() + interval '30 s' end,
           queued_at = case when l.verdict = 'queued' then clock_timestamp() else n.queued_at end,
           due_at = case when l.verdict = 'queued' then clock_timestamp() + p_due end,
           sends = 0
      from lapsed l where n.id = l.id
    returning n.execution_id, n.workspace_id, n.key, n.path, n.queue, n.status, l.priority, l.version_id, n.attempt, n.revision, l.worker
$$;
