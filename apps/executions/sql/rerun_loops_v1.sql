-- What a re-run takes over of loops, in sets: of what goes over as it was, the loop alone is named.

-- The first numbers of a path: the path of what is around it.
create function path_head_v1(p_path text, p_count int) returns text language sql immutable as $$
    select array_to_string((string_to_array(p_path, '.'))[1:p_count], '.')
$$;

-- Take over rows of loops from an ended execution, and make ready to go on what runs again in them.
--   p_members     [{"loop", "depth": loops around it, "keys": [its own, and those of all that is in it]}]
--   p_taken       [{"loop", "path", "reopened": bool}] of loops that go over, but for those in an iteration that goes over itself. Those that
--                 are reopened have also {"before": int | null, "again": [int], "entries", "body", "inside", "items", "blocks"}: iterations
--                 `again` go on, those from `before` on are left out; `items` or `blocks` are in place of the old ones
--   p_iterations  [{"loop", "paths": [str], "reused": [key], "skipped": [{"key", "queue", "lost"}],
--                   "gates": [{"key", "expected", "needed", "settled", "live"}], "begins": [{"key", "queue", "lost"}]}]
--                 of iterations that go on, by what goes on in them; one that begins nothing has ended well
-- Called by rerun_v1, which has checked who asks. Nothing tells the planner how many iterations there are: without nested loops,
-- and with the path of the iteration known before it looks for that (`offset 0`), the joins are not quadratic in them.
create function rerun_loops_v1(p_old uuid, p_new uuid, p_workspace uuid, p_members jsonb, p_taken jsonb, p_iterations jsonb, p_now timestamptz)
returns void language plpgsql set enable_nestloop = off as $$
begin
    with members as materialized (
        select m.loop, m.depth, k.key
          from jsonb_to_recordset(p_members) as m(loop text, depth int, keys text[]) cross join unnest(m.keys) as k(key)
    ), taken as materialized (
        select t.*, coalesce(t.again, '{}') as opened
          from jsonb_to_recordset(p_taken) as t(loop text, path text, reopened boolean, before int, again int[], entries jsonb, body text[],
                                                inside text[], items jsonb, blocks jsonb)
    ), again as materialized (
        select t.loop, t.path as loop_path, i.index from taken t cross join unnest(t.opened) as i(index)
    ), kept as materialized (
        select i.key as loop, i.path
          from iteration i join taken t on t.loop = i.key and t.path = i.loop_path
          left join again a on a.loop = i.key and a.loop_path = i.loop_path and a.index = i.index
         where i.execution_id = p_old and a.index is null and (t.before is null or i.index < t.before)
    ), going as materialized (
        select g.loop, p.path, regexp_replace(p.path, '\.?[0-9]+$', '') as loop_path, substring(p.path from '[0-9]+$')::int as index,
               g.reused, g.skipped, g.gates, g.begins
          from jsonb_to_recordset(p_iterations)
               as g(loop text, paths text[], reused text[], skipped jsonb, gates jsonb, begins jsonb)
         cross join unnest(g.paths) as p(path)
    ), over as (
        insert into node_run as n (
            workspace_id, execution_id, key, path, status, revision, attempt, losses, queue, worker, on_worker_lost, queued_at, started_at,
            finished_at, sends, port, input, output, output_ref, error, origin, origin_execution)
        select p_workspace, p_new, o.key, o.path, o.status, 1, o.attempt, 0, o.queue, '', o.on_worker_lost, o.queued_at, o.started_at,
               o.finished_at, 0, o.port, o.input, o.output, o.output_ref, o.error,
               case when o.origin = 'edited' then o.origin else 'reused' end, coalesce(o.origin_execution, p_old)
          from node_run o
         where o.id in (select o.id
                          from (select o.id, m.loop, path_head_v1(o.path, m.depth + 1) as path from node_run o join members m on m.key = o.key
                                 where o.execution_id = p_old and o.path <> '' offset 0) o
                          join kept k on k.loop = o.loop and k.path = o.path
                        union all
                        select o.id
                          from (select g.path, r.key from going g cross join unnest(g.reused) as r(key) offset 0) r
                          join node_run o on o.key = r.key and o.path = r.path
                         where o.execution_id = p_old)
         order by o.id
    ), skipped as (
        insert into node_run as n (
            workspace_id, execution_id, key, path, status, revision, attempt, losses, queue, worker, on_worker_lost, queued_at, started_at,
            finished_at, sends)
        select p_workspace, p_new, s.key, g.path, 'skipped', 1, 1, 0, s.queue, '', s.lost, p_now, p_now, p_now, 0
          from going g cross join jsonb_to_recordset(g.skipped) as s(key text, queue text, lost text)
    ), gates as (
        insert into gate (workspace_id, execution_id, key, path, expected, needed, settled, live)
        select p_workspace, p_new, o.key, o.path, o.expected, o.needed, o.settled, o.live
          from (select o.*, m.loop, path_head_v1(o.path, m.depth + 1) as around from gate o join members m on m.key = o.key
                 where o.execution_id = p_old and o.path <> '' offset 0) o
          join kept k on k.loop = o.loop and k.path = o.around
        union all
        select p_workspace, p_new, x.key, g.path, x.expected, x.needed, x.settled, x.live
          from going g cross join jsonb_to_recordset(g.gates) as x(key text, expected int, needed int, settled int, live int)
    ), iterations as (
        insert into iteration as i (workspace_id, execution_id, key, loop_path, path, index, status, error, begins, started_at, finished_at)
        select p_workspace, p_new, o.key, o.loop_path, o.path, o.index, o.status, o.error, null::jsonb, o.started_at, o.finished_at
          from (select o.*, m.loop, path_head_v1(o.path, m.depth + 1) as around from iteration o join members m on m.key = o.key
                 where o.execution_id = p_old offset 0) o
          join kept k on k.loop = o.loop and k.path = o.around
        union all
        select p_workspace, p_new, g.loop, g.loop_path, g.path, g.index, case when g.begins = '[]' then 'success' else 'pending' end, null,
               g.begins, p_now, case when g.begins = '[]' then p_now end
          from going g
        returning i.key, i.loop_path, i.status
    ), counted as (
        select i.key, i.loop_path, count(*) filter (where i.status = 'pending') as pending,
               count(*) filter (where i.status = 'success') as succeeded, count(*) filter (where i.status = 'failed') as failed
          from iterations i group by i.key, i.loop_path
    )
    insert into loop_run (workspace_id, execution_id, key, path, total, next_index, running, pending, succeeded, failed, parallel, collects,
                          asks, items, blocks, entries, body, inside, failure, deadline_at)
    select p_workspace, p_new, l.key, l.path, l.total, l.next_index, l.running, 0, l.succeeded, l.failed, l.parallel, l.collects,
           l.asks, l.items, l.blocks, l.entries, l.body, l.inside, l.failure, l.deadline_at
      from (select l.*, m.loop, path_head_v1(l.path, m.depth + 1) as around from loop_run l join members m on m.key = l.key
             where l.execution_id = p_old offset 0) l
      join kept k on k.loop = l.loop and k.path = l.around
    union all
    select p_workspace, p_new, l.key, l.path,
           case when t.reopened then coalesce(t.before, l.total) else l.total end,
           case when t.reopened then coalesce(t.before, l.next_index) else l.next_index end,
           case when t.reopened then 0 else l.running end, coalesce(c.pending, 0), coalesce(c.succeeded, 0), coalesce(c.failed, 0),
           l.parallel, l.collects, l.asks,
           case when t.items is null and t.blocks is null then l.items else t.items end,
           case when t.items is null and t.blocks is null then l.blocks else t.blocks end,
           coalesce(t.entries, l.entries), coalesce(t.body, l.body), coalesce(t.inside, l.inside),
           case when not t.reopened then l.failure end, case when not t.reopened then l.deadline_at end
      from taken t
      join loop_run l on l.execution_id = p_old and l.key = t.loop and l.path = t.path
      left join counted c on c.key = t.loop and c.loop_path = t.path;
end $$;
