-- Celery queues that a worker takes messages from which has lately said that it lives.
create function served_queues_v1() returns text[] language sql stable as $$
    select coalesce(array_agg(distinct q.name), '{}')::text[]
      from worker w, unnest(w.queues) as q(name) where w.seen_at > clock_timestamp() - interval '20 s'
$$;
