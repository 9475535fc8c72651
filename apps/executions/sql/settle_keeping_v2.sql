-- As settle_v3, for settlements of which some leave variables behind for later executions of the workflow:
--   {…, "workflow_variables": {name: value}}
-- They are written in the same transaction, the last to settle winning, and not again when a settlement is repeated.
create function settle_keeping_v2(p_execution uuid, p_due interval, p_settlements jsonb) returns jsonb language plpgsql as $$
declare
    v_result jsonb := settle_v3(p_execution, p_due, p_settlements);
begin
    if v_result->'sequence' <> 'null' then
        insert into workflow_variable as v (workspace_id, workflow_id, name, value, execution_id, updated_at)
        select e.workspace_id, e.workflow_id, w.name, w.value, e.id, clock_timestamp()
          from execution e, (
               select distinct on (k.key) k.key as name, k.value
                 from jsonb_array_elements(p_settlements) with ordinality as s(settlement, place),
                      jsonb_each(s.settlement->'workflow_variables') as k
                where (v_result->'applied'->(s.place::int - 1))::boolean
                order by k.key, s.place desc) w
         where e.id = p_execution
        -- In one order everywhere, so that executions which write several of them do not wait for each other in a circle.
         order by w.name
        on conflict (workflow_id, name) do update
            set value = excluded.value, execution_id = excluded.execution_id, updated_at = excluded.updated_at;
    end if;
    return v_result;
end $$;
