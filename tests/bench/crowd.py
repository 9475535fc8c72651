"""Many finished executions, made by copying one: what a running installation has behind it."""

from django.db import connection

from apps.workflows.models import Workflow

# Rows are copied whole, so that whatever columns there are, the copies are like what the engine writes.
_COPY = """
with model as materialized (
    select * from execution where workflow_id = %(workflow)s and status = 'success' order by id limit 1
), made as (
    insert into execution
    select r.* from model m cross join generate_series(1, %(count)s) as copy
      cross join lateral jsonb_populate_record(
          m::execution,
          jsonb_build_object('id', case when copy > 0 then gen_random_uuid() end, 'idempotency_key', null)  -- another for each copy
      ) r
    returning id
), copied as (
    insert into node_run
    select r.* from model m join node_run n on n.execution_id = m.id cross join made
      cross join lateral jsonb_populate_record(n, jsonb_build_object(
          'id', nextval(pg_get_serial_sequence('node_run', 'id')), 'execution_id', made.id)) r
    returning 1
)
select count(*) from copied
"""
BATCH = 1000  # executions


def add_finished_node_runs(workflow: Workflow, count: int) -> int:
    """Copy a finished execution of `workflow` until there are so many more node runs; returns how many were made."""
    made = 0
    with connection.cursor() as cursor:
        while made < count:
            cursor.execute(_COPY, {"workflow": workflow.pk, "count": BATCH})
            made += cursor.fetchone()[0]
        # In an installation that has come to so many over months, this has been done long ago; here it would fall into what is measured.
        cursor.execute("vacuum (analyze) execution, node_run")
        cursor.execute("checkpoint")
    return made
