-- Bytes that PostgreSQL keeps of a workspace: definitions, the inputs and outputs of executions and node runs, and what webhooks and events
-- brought. Sizes as stored, which is after compression; reading them does not read the values.
create or replace function stored_bytes_v1(p_workspace uuid) returns bigint language sql as $$
    select coalesce((select sum(coalesce(pg_column_size(v.definition), 0) + coalesce(pg_column_size(v.start), 0))
                       from workflow_version v where v.workspace_id = p_workspace), 0)::bigint
         + coalesce((select sum(coalesce(pg_column_size(e.input), 0) + coalesce(pg_column_size(e.output), 0)
                                + coalesce(pg_column_size(e.variables), 0) + r.size)
                       from execution e,
                            lateral (select coalesce(sum(coalesce(pg_column_size(n.input), 0) + coalesce(pg_column_size(n.output), 0)), 0) as size
                                       from node_run n where n.execution_id = e.id) r
                      where e.workspace_id = p_workspace), 0)::bigint
         + coalesce((select sum(coalesce(pg_column_size(c.body), 0) + pg_column_size(c.headers) + pg_column_size(c.query))
                       from webhook_call c where c.workspace_id = p_workspace), 0)::bigint
         + coalesce((select sum(coalesce(pg_column_size(v.data), 0)) from event v where v.workspace_id = p_workspace), 0)::bigint
$$;
