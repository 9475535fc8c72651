"""Statements of the engine that people cause: the move and its entry in the audit log are one statement, and so one commit."""

from collections.abc import Collection, Mapping
from typing import Any
from uuid import UUID

import orjson

from apps.core.audit import Verb
from apps.core.audit.record import entry
from apps.executions import protocol

# A function that is said again, because its answer got lost, finds nothing to do any more, and so nothing is recorded twice.
_MOVE = """
with moved as materialized (select {function} as result)
select m.result, (
    select audit_record_v1(jsonb_build_array(%(entry)s::jsonb || jsonb_build_object(
               'workspace', e.workspace_id, 'object_id', e.id, 'object_name', left(concat_ws(': ', w.name, m.result->>'key'), 200),
               'before', jsonb_build_object('status', coalesce(m.result->>'was', 'uncertain')),
               'after', %(after)s::jsonb || case when m.result->>'was' is null then '{{}}'
                                                 else jsonb_build_object('status', m.result->>'status') end)))
      from execution e join workflow w on w.id = e.workflow_id
     where e.id = coalesce(%(execution)s::uuid, (m.result->>'execution')::uuid)
       and coalesce(m.result->>'was', 'uncertain') = any(%(allowed)s::text[]))
  from moved m
"""


def call_recorded(
    verb: Verb,
    function: str,
    *,
    execution_id: UUID | None = None,
    allowed: Collection[str],
    after: Mapping[str, Any] | None = None,
    **parameters: Any,
) -> Any:
    """The result of a SQL function that moves an execution or a node run, with the move in the audit log if there was one.

    function       the call, as SQL
    execution_id   None: the result names it
    allowed        statuses that the move is made from; the result's `was` is the one that was found, and without one it is uncertain
    after          what the entry says beside the new status
    """
    made = entry(verb, object_type="execution", after=after or {})
    return protocol.call_repeating(
        _MOVE.format(function=function),
        execution=execution_id,
        allowed=list(allowed),
        entry=orjson.dumps(made).decode(),
        after=orjson.dumps(made["after"]).decode(),
        **parameters,
    )
