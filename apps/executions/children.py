"""Executions that a node starts: what is written with the node run, and what it hears of the end."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import orjson

from apps.core import object_store
from apps.core.depth import MAX_DEPTH
from apps.core.ids import uuid7
from apps.engine.graph import GraphNode
from apps.engine.input_schema import input_problems
from apps.engine.outcomes import Failed, NodeError, StartChild
from apps.engine.statuses import NodeRunStatus
from apps.executions import handoff
from apps.executions.admission import InvalidConcurrencyKeyError, admit, place_in_line
from apps.executions.connection import fetch_repeating
from apps.executions.graphs import COMPENSATION
from apps.executions.protocol import Claim, Ready, ready_of
from apps.executions.settlement import End, end_of

SIGNAL = "$child"

_TARGET = """
select w.name, w.archived_at is not null as is_archived, v.id as version_id, v.start, e.depth,
       quota_limits_v1(e.workspace_id, e.started_by_id) as limits
  from execution e
  left join workflow w on w.id = %(workflow)s and w.workspace_id = e.workspace_id
  left join workflow_version v on v.workflow_id = w.id
       and (%(number)s::int is null and v.id = w.published_version_id or v.number = %(number)s::int)
 where e.id = %(execution)s
"""
_IS_OWED = """
with recursive above(trigger, parent) as (
    select e.trigger, e.parent_node_run_id from execution e where e.id = %(execution)s
    union all
    select e.trigger, e.parent_node_run_id
      from above a join node_run n on n.id = a.parent join execution e on e.id = n.execution_id
)
select bool_or(trigger = %(trigger)s) as is_owed from above
"""
_ENDED = "select status, output, output_ref, error from execution where id = %(child)s"
_WOKEN = """
select n.execution_id, e.version_id, n.key, n.path, n.queue, e.priority from node_run n join execution e on e.id = n.execution_id
 where n.id = %(node_run)s and n.status = 'queued'
"""


def child_end(node: GraphNode, call: StartChild, claim: Claim, *, attempt: int) -> End:
    """How a node run ends that starts a child: waiting, or done; or failed, where it cannot be started."""
    row = fetch_repeating(_TARGET, {"workflow": call.workflow, "number": call.version, "execution": claim.execution_id})[0]
    if (fault := _fault(call, row)) is not None:
        return end_of(node, Failed(fault, is_final=True), workspace_id=claim.workspace_id, attempt=attempt)
    try:
        place = place_in_line(row["start"], input=call.input, variables=row["start"]["variables"])
    except InvalidConcurrencyKeyError as error:
        fault = NodeError("child_not_startable", error.message, {"workflow": call.workflow})
        return end_of(node, Failed(fault, is_final=True), workspace_id=claim.workspace_id, attempt=attempt)
    child_id = uuid7()
    child = {
        "id": child_id,
        "workspace": claim.workspace_id,
        "workflow": call.workflow,
        "version": row["version_id"],
        "input": call.input,
        "variables": row["start"]["variables"],
        "entries": row["start"]["entries"],
        "priority": row["start"]["priority"] or claim.priority,
        "timeout_seconds": row["start"]["timeout_seconds"],
        "waits": call.waits,
        "try": attempt,
        **place,
        **({} if row["limits"] is None else {"limits": row["limits"]}),
    }
    if call.waits:
        state = {"child": str(child_id)}
        return End(NodeRunStatus.WAITING, waits_for=SIGNAL, state=state, delay_seconds=node.timeout_seconds, child=child)
    return End(NodeRunStatus.SUCCESS, "out", orjson.dumps({"execution": child_id}), child=child)


def is_owed(execution_id: UUID) -> bool:
    """Whether what this execution starts has to run whatever the quotas say, since it is an undoing or a part of one."""
    return bool(fetch_repeating(_IS_OWED, {"execution": execution_id, "trigger": COMPENSATION})[0]["is_owed"])


def _fault(call: StartChild, row: Mapping[str, Any]) -> NodeError | None:
    details = {"workflow": call.workflow}
    if row["name"] is None:
        return NodeError("child_not_startable", f"There is no workflow {call.workflow} in this workspace.", details)
    if row["is_archived"]:
        return NodeError("child_not_startable", f"Workflow '{row['name']}' is archived.", details)
    if row["version_id"] is None:
        what = "published version" if call.version is None else f"version {call.version}"
        return NodeError("child_not_startable", f"Workflow '{row['name']}' has no {what}.", details)
    if row["depth"] >= MAX_DEPTH:
        led = f"{row['depth'] + 1} executions would have led to workflow '{row['name']}'"
        message = f"{led}, by calls, by events or over HTTP; at most {MAX_DEPTH} are allowed."
        return NodeError("too_deep", message, {**details, "depth": row["depth"]})
    if problems := input_problems(row["start"].get("input_schema"), call.input):
        message = f"The input does not fit the inputs of workflow '{row['name']}': {problems[0].pointer or '/'}: {problems[0].message}"
        return NodeError("invalid_input", message, {**details, "errors": [problem.as_json() for problem in problems]})
    return None


def with_child(deferred: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a node waited for, with the output and the error of the child whose end woke it."""
    state, signal = deferred.get("state"), deferred.get("signal")
    if not isinstance(state, Mapping) or not isinstance(signal, Mapping):
        return deferred
    if "child" not in state or signal.get("execution") != state["child"]:
        return deferred
    row = fetch_repeating(_ENDED, {"child": signal["execution"]})[0]
    output = row["output"] if row["output_ref"] is None else orjson.loads(object_store.get(row["output_ref"]))
    return {**deferred, "signal": {**signal, "output": output, "error": row["error"]}}


def send_started(documents: list[dict[str, Any]], applied: list[bool]) -> None:
    """Point workers at the first node runs of the children that these settlements have started."""
    for document, is_applied in zip(documents, applied, strict=True):
        child = document.get("child")
        if child is None or not is_applied:
            continue
        if child.get("max_concurrency") is not None:
            admit(workspace_id=child["workspace"], workflow_id=UUID(str(child["workflow"])))
        else:
            handoff.send(_ready(child, entry) for entry in child["entries"])


def _ready(child: Mapping[str, Any], entry: Mapping[str, Any]) -> Ready:
    version_id = UUID(str(child["version"]))
    return Ready(child["id"], version_id, entry["key"], "", entry["queue"], child["priority"], entry["brief"])


def send_woken(node_run_id: int | None) -> None:
    """Point a worker at the node run that waited for an execution which has just ended; None where none did."""
    if node_run_id is not None:
        handoff.send(ready_of(row) for row in fetch_repeating(_WOKEN, {"node_run": node_run_id}))
