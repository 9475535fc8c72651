-- Node runs that wait for their first message. A start of many sends no more than a fleet works off within about a second; the rest are rows
-- with `sends` below zero, -2 of high priority and -1 of normal, which the sweepers send as the queue empties: of each workspace in turn, so
-- that whoever starts one execution is not behind another's hundred thousand.

-- The message queues for which such rows wait, found by hopping through the index.
create function unsent_queues_v1() returns table (queue text, sends int) language sql stable as $$
    with recursive q(queue, sends) as (
        (select n.queue, n.sends from node_run n where n.status = 'queued' and n.sends < 0 order by n.queue, n.sends limit 1)
        union all
        select f.* from q cross join lateral (
            select n.queue, n.sends from node_run n
             where n.status = 'queued' and n.sends < 0 and (n.queue, n.sends) > (q.queue, q.sends)
             order by n.queue, n.sends limit 1) f
    )
    select q.queue::text, q.sends from q
$$;

-- Take such rows of one queue to be sent now, as many as p_budget allows: a brief one costs 1, since sixteen share a message, another 5.
-- What is of an execution that is paused is taken off the list: its resume sends it.
create function feed_v1(p_queue text, p_sends int, p_budget int, p_due interval)
returns table (execution_id uuid, key text, path text, queue text, priority text, version_id uuid, workspace_id uuid, brief boolean)
language sql as $$
    with recursive place(workspace_id) as (
        (select n.workspace_id from node_run n where n.status = 'queued' and n.sends < 0 and n.queue = p_queue and n.sends = p_sends
          order by n.workspace_id limit 1)
        union all
        select f.workspace_id from place p cross join lateral (
            select n.workspace_id from node_run n
             where n.status = 'queued' and n.sends < 0 and n.queue = p_queue and n.sends = p_sends and n.workspace_id > p.workspace_id
             order by n.workspace_id limit 1) f
    ), candidate as (
        select c.id, row_number() over (partition by p.workspace_id order by c.id) as turn
          from place p cross join lateral (
            select n.id from node_run n
             where n.status = 'queued' and n.sends < 0 and n.queue = p_queue and n.sends = p_sends and n.workspace_id = p.workspace_id
             order by n.id limit p_budget) c
    ), first as (
        select c.id, c.turn from candidate c order by c.turn, c.id limit p_budget
    ), weighed as (
        select f.id, f.turn, e.status, e.priority, e.version_id, w.brief,
               sum(case when w.brief then 1 else 5 end) over (order by f.turn, f.id) as cost
          from first f join node_run n on n.id = f.id join execution e on e.id = n.execution_id
          join workflow_version v on v.id = e.version_id
          cross join lateral (
            select coalesce(bool_or((x->>'brief')::boolean), false) as brief
              from jsonb_array_elements(v.start->'entries') x where x->>'key' = n.key) w
    ), locked as (
        select n.id from node_run n join weighed w on w.id = n.id
         where w.cost <= greatest(p_budget, 5) and n.status = 'queued' and n.sends = p_sends order by n.id for update of n skip locked
    ), taken as (
        update node_run n set sends = 0, due_at = clock_timestamp() + p_due from locked l where n.id = l.id
        returning n.id, n.execution_id, n.key, n.path, n.queue, n.workspace_id
    )
    select t.execution_id, t.key::text, t.path::text, t.queue::text, w.priority::text, w.version_id, t.workspace_id, w.brief
      from taken t join weighed w on w.id = t.id where w.status = 'running' order by w.turn, w.id
$$;
