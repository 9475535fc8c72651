"""Test runs: an execution that stops before nodes, shows what they would read, and lets it be changed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson
from django.db import transaction

from apps.accounts.models import User
from apps.engine.errors import ConflictError, InvalidError
from apps.engine.expressions import ExpressionError, Names, Template, compile_template
from apps.engine.graph import Graph
from apps.engine.json_values import check_json
from apps.engine.waits import BREAKPOINT
from apps.executions import handoff, protocol
from apps.executions.actions import Started, start_execution
from apps.executions.announcements import announce_change
from apps.executions.answers import check_not_answers
from apps.executions.graphs import graphs
from apps.executions.models import Execution, NodeRun
from apps.workflows.models import Workflow, WorkflowVersion

TRIGGER = "test"
MAX_BREAKPOINTS = 1000


class InvalidBreakpointError(InvalidError):
    """A breakpoint, or an edit, names what is not there; details: {"pointer": str}."""

    code = "invalid_breakpoint"


class NotATestRunError(ConflictError):
    code = "not_a_test_run"


class NotStoppedError(ConflictError):
    """The execution, or this node of it, is not stopped; details: {"status": str}."""

    code = "not_stopped"


@dataclass(frozen=True, slots=True)
class Breakpoint:
    """Stop before this node, where the condition holds; without one, always.

    condition   text such as `${vars.total > 1000}`; in the body of a loop it reads `item` and `index` as well
    """

    node: str
    condition: str | None = None


def start_test_run(
    *, workflow: Workflow, version: WorkflowVersion | None, breakpoints: Sequence[Breakpoint], started_by: User, **start: Any
) -> Started:
    """As `start_execution`, with trigger `test`: it stops before these nodes. Raises InvalidBreakpointError, and what that raises."""
    chosen = version or workflow.published_version
    if chosen is not None:
        _check(graphs.get(chosen.pk), breakpoints)
    document = {"nodes": {each.node: each.condition for each in breakpoints}, "is_stepping": False}
    with transaction.atomic():
        # Workers hear of it after the commit, so that none claims it without its breakpoints.
        started = start_execution(workflow=workflow, version=version, started_by=started_by, trigger=TRIGGER, **start)
        if started.created:
            Execution.objects.filter(pk=started.execution_id).update(breakpoints=document)
    return started


def step(*, execution_id: UUID, key: str, path: str = "") -> str:
    """Run the node that it is stopped at, and stop before whatever comes next. Raises NotATestRunError, NotStoppedError."""
    return _go_on(execution_id, key=key, path=path, is_stepping=True)


def go_on(*, execution_id: UUID) -> str:
    """Go on everywhere, up to the next breakpoint. Raises NotATestRunError, NotStoppedError."""
    return _go_on(execution_id, key=None, path="", is_stepping=False)


def edit(*, execution_id: UUID, variables: Mapping[str, Any], outputs: Sequence[Mapping[str, Any]], edited_by: User) -> str:
    """Change variables, and outputs of nodes that have ended, for this execution alone; history keeps what they were.

    outputs   [{"key", "path", "output"}]
    Raises NotATestRunError, NotStoppedError, AnswerOfPeopleError, and InvalidBreakpointError for an output that is not there or too large.
    """
    check_json([dict(variables), list(outputs)])
    if outputs:
        check_not_answers(execution_id, [each["key"] for each in outputs])
    for index, each in enumerate(outputs):
        if len(orjson.dumps(each["output"])) > protocol.INLINE_LIMIT_BYTES:
            message = f"Expected an output of at most {protocol.INLINE_LIMIT_BYTES} bytes."
            raise InvalidBreakpointError(message, pointer=f"/outputs/{index}/output")
    result = protocol.call_repeating(
        "select edit_v1(%(execution)s, %(variables)s::jsonb, %(outputs)s::jsonb, %(by)s) as result",
        execution=execution_id,
        variables=orjson.dumps(variables).decode(),
        outputs=orjson.dumps(outputs).decode(),
        by=edited_by.username,
    )
    if result["outcome"] == "no_output":
        index = next(number for number, each in enumerate(outputs) if each["key"] == result["key"])
        message = f"Node '{result['key']}' has not ended with success, and so has no output to be changed."
        raise InvalidBreakpointError(message, pointer=f"/outputs/{index}/key")
    return _moved(execution_id, result)


def stopped_at(execution: Execution) -> list[dict[str, Any]]:
    """Where it is stopped: [{"key", "path", "since", "fault" of the condition or None}]."""
    found = NodeRun.objects.filter(execution=execution, status="waiting", waits_for=BREAKPOINT).order_by("id")
    return [
        {"key": run.key, "path": run.path, "since": run.started_at, "fault": (run.deferred or {})["state"][MARK]}
        for run in found.only("key", "path", "started_at", "deferred")
    ]


MARK = "$breakpoint"


def condition_of(graph: Graph, key: str, text: str) -> Template:
    """The condition at a node, compiled. Raises ExpressionError."""
    properties = (graph.input_schema or {}).get("properties")
    names = Names(frozenset(properties if isinstance(properties, dict) else ()), frozenset(graph.initial_variables))
    return compile_template(text, names if graph.nodes[key].parent is None else names.in_loop)


def _check(graph: Graph, breakpoints: Sequence[Breakpoint]) -> None:
    for index, each in enumerate(breakpoints):
        if each.node not in graph.nodes or each.node.startswith("$"):
            raise InvalidBreakpointError(f"The version has no node '{each.node}'.", pointer=f"/breakpoints/{index}/node")
        if each.condition is not None and (fault := _fault(graph, each.node, each.condition)):
            raise InvalidBreakpointError(fault, pointer=f"/breakpoints/{index}/condition")


def _fault(graph: Graph, key: str, condition: str) -> str | None:
    """What is wrong with a condition, as far as that can be said beforehand."""
    try:
        template = condition_of(graph, key, condition)
    except ExpressionError as error:
        return error.message
    if template.is_constant:
        return "Expected an expression that gives true or false, such as ${vars.total > 1000}."
    unknown = template.nodes.difference(graph.nodes)
    return f"The version has no node '{min(unknown)}' for the condition to read." if unknown else None


def _go_on(execution_id: UUID, *, key: str | None, path: str, is_stepping: bool) -> str:
    result = protocol.call_repeating(
        "select go_on_v1(%(execution)s, %(key)s::text, %(path)s, %(is_stepping)s, %(due)s::interval) as result",
        execution=execution_id,
        key=key,
        path=path,
        is_stepping=is_stepping,
        due=f"{protocol.DUE_SECONDS} s",
    )
    status = _moved(execution_id, result)
    handoff.send(protocol.ready_in(result, execution_id=execution_id, version_id=UUID(result["version"])))
    return status


def _moved(execution_id: UUID, result: Mapping[str, Any]) -> str:
    if result["outcome"] == "not_test":
        raise NotATestRunError("Only an execution that was started with breakpoints can be stepped through.")
    if result["outcome"] == "not_stopped":
        raise NotStoppedError("The execution is not stopped at a breakpoint there (any more).", status=result["status"])
    announce_change(execution_id, result)
    return str(result["status"])
