-- As stranded_queues_v1 and sweep_stranded_v1, of what has been sent: a message that was never sent is not lost. In a backlog most node runs
-- wait for their first message for longer than p_age, and the queue is empty now and then until the feeder fills it. What waits so, and what is
-- held, is due so late that the search by due_at ends before it: no repeated message is due later than in ten minutes.

create function stranded_queues_v2(p_limit int, p_age interval) returns table (queue text, priority text) language sql as $$
    select distinct o.queue, o.priority from (
        select n.queue, e.priority from node_run n join execution e on e.id = n.execution_id
         where n.status = 'queued' and n.sends between 0 and 2 and n.queued_at < clock_timestamp() - p_age
           and n.due_at < (select clock_timestamp()) + interval '10 min' and e.status = 'running'
         order by n.due_at limit p_limit) o
$$;

create function sweep_stranded_v2(p_queue text, p_priority text, p_limit int, p_age interval) returns int language sql as $$
    with stranded as materialized (
        select n.id from node_run n join execution e on e.id = n.execution_id
         where n.status = 'queued' and n.sends between 0 and 2 and n.queue = p_queue and n.queued_at < clock_timestamp() - p_age
           and n.due_at < (select clock_timestamp()) + interval '10 min' and e.status = 'running' and e.priority = p_priority
         order by n.due_at limit p_limit for update of n skip locked
    ), due as (
        update node_run n set due_at = clock_timestamp() from stranded s where n.id = s.id returning 1
    )
    select count(*)::int from due
$$;
