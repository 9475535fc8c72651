-- Holds keep queued node runs from being claimed: of one node, of a workflow, of a workspace, of the installation. A row of `hold` reaches
-- whatever its filled columns name. The claim itself asks for them; what is here keeps the sweepers from sending what nobody may take, and sends
-- it when the hold is released.

-- Put aside what is held: such a node run is due so late that no sweeper looks at it, and knows which hold keeps it back. Only node runs among
-- the first p_looks that are due are looked at, so that a long backlog of others costs no more.
create function put_held_aside_v1(p_looks int) returns int language sql as $$
    with looked_at as materialized (
        select n.id, n.key, n.execution_id from node_run n
         where n.status = 'queued' and n.due_at < clock_timestamp() + interval '1 hour'
           and exists (select from hold h where h.released_at is null)
         order by n.due_at limit p_looks for update of n skip locked
    ), held as (
        update node_run n set held_by_id = f.hold, due_at = clock_timestamp() + interval '100 years', sends = 3
          from (select l.id, (select h.id from hold h
                               where h.released_at is null and (h.workspace_id is null or h.workspace_id = e.workspace_id)
                                 and (h.workflow_id is null or h.workflow_id = e.workflow_id) and (h.node_key = '' or h.node_key = l.key)
                               order by h.created_at limit 1) as hold
                  from looked_at l join execution e on e.id = l.execution_id) f
         where n.id = f.id and f.hold is not null and n.status = 'queued'
        returning 1
    )
    select count(*)::int from held
$$;

-- End a hold. Returns whether it was there and not released before; when p_by released it before, that too, so that it may be repeated.
create function release_hold_v1(p_hold uuid, p_by uuid) returns boolean language plpgsql as $$
begin
    update hold h set released_at = clock_timestamp(), released_by_id = p_by where h.id = p_hold and h.released_at is null;
    return found;
end $$;

-- Send what released holds had put aside: returns at most p_limit node runs, which are due anew. Where another hold covers one of them too, its
-- claim is refused, and it is put aside again. A hold that has nothing left is done.
create function send_released_v1(p_limit int, p_due interval)
returns table (execution_id uuid, key text, path text, queue text, priority text, version_id uuid) language plpgsql as $$
begin
    return query
    with freed as materialized (
        select n.id, e.priority, e.version_id from hold h join node_run n on n.held_by_id = h.id join execution e on e.id = n.execution_id
         where h.released_at is not null and not h.is_done and n.status = 'queued' and n.held_by_id is not null
         limit p_limit for update of n skip locked
    )
    update node_run n
       set held_by_id = null, queued_at = clock_timestamp(), due_at = clock_timestamp() + p_due, sends = 0
      from freed f where n.id = f.id
    returning n.execution_id, n.key::text, n.path::text, n.queue::text, f.priority::text, f.version_id;
    if not found then
        update hold h set is_done = true
         where h.released_at is not null and not h.is_done
           and not exists (select from node_run n where n.held_by_id = h.id and n.status = 'queued' and n.held_by_id is not null);
    end if;
end $$;

-- What the sweeper has to do about holds: whether any is in force, which are over, and whether released ones have node runs to be sent.
create function holds_to_sweep_v1() returns table (is_holding boolean, over uuid[], is_sending boolean) language sql as $$
    select exists (select from hold h where h.released_at is null),
           array(select h.id from hold h where h.released_at is null and h.until <= clock_timestamp() limit 100),
           exists (select from hold h where h.released_at is not null and not h.is_done)
$$;
