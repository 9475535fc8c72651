-- Queues for which node runs have waited longer than p_age, and which no live worker serves: how many, among the p_scan that are due first.
create function unserved_queues_v1(p_age interval, p_scan int) returns table (queue text, priority text, waiting bigint)
language sql stable as $$
    select o.queue, o.priority, count(*) from (
        select n.queue, e.priority from node_run n join execution e on e.id = n.execution_id
         where n.status = 'queued' and n.queued_at < clock_timestamp() - p_age and e.status = 'running'
         order by n.due_at limit p_scan) o
     where not (o.queue || case when o.priority = 'high' then '.high' else '' end) = any ((select served_queues_v1())::text[])
     group by o.queue, o.priority order by o.queue, o.priority
$$;
