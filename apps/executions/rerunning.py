"""Running an ended execution again, from the start or from a node: always a new execution, the old one stays as it is."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from uuid import UUID

import orjson
from django.db import connection, transaction
from django.db.models import F, Func, TextField

from apps.accounts.models import User
from apps.core.ids import uuid7
from apps.engine.errors import InvalidError
from apps.engine.graph import OUTPUT_KEY
from apps.engine.planner import Settled
from apps.engine.reruns import Compiled, RerunPlan, UnknownNodeError, plan_rerun
from apps.engine.statuses import SETTLED_EXECUTION, NodeRunStatus
from apps.executions import handoff, protocol
from apps.executions.actions import WorkflowNotPublishedError, WrongStatusError, check_input
from apps.executions.models import Execution, NodeRun
from apps.executions.protocol import Ready
from apps.executions.settlement import stored
from apps.executions.versions import VersionGoneError, compiled_version
from apps.nodes.contract import Effect
from apps.nodes.registry import get_type
from apps.workflows.compiled import entry_of
from apps.workflows.favourites import check_not_archived
from apps.workflows.models import WorkflowVersion

START: Literal["start"] = "start"
FAILED: Literal["failed"] = "failed"


class WrongOutputTypeError(InvalidError):
    """An edited output is of another type than the one it stands for; details: {"pointer", "found", "expected"}."""

    code = "wrong_output_type"


class OutputTooLargeError(InvalidError):
    code = "output_too_large"


@dataclass(frozen=True, slots=True)
class Place:
    """A node of an execution; `path` is the item of a loop, "" outside of loops."""

    key: str
    path: str = ""


@dataclass(frozen=True, slots=True)
class Rerun:
    """What is to be run again, and with what.

    origin    from the start, from where it failed or was stopped, or from a node
    version   the same as before, the newest that was saved, or the published one
    input     in place of the old input; None keeps that
    outputs   {node key: output} in place of those that the nodes had
    """

    origin: Literal["start", "failed"] | Place = START
    version: Literal["same", "newest", "published"] = "same"
    input: Mapping[str, Any] | None = None
    outputs: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class NodeAgain:
    """A node that may run in a re-run.

    effect       `pure`, `idempotent` or `external`
    has_run      it had begun in the old execution, so that an effect of it may happen a second time
    starts_now   it is among the first to run
    """

    key: str
    effect: str
    has_run: bool
    starts_now: bool


@dataclass(frozen=True, slots=True)
class Prepared:
    """A checked re-run, not yet made. `reused` and `runs` are in topological order."""

    execution: Execution
    version: WorkflowVersion
    compiled: Compiled
    plan: RerunPlan
    asked: Rerun
    variables: Mapping[str, Any]
    reused: tuple[NodeRun, ...]
    runs: tuple[NodeAgain, ...]


@dataclass(frozen=True, slots=True)
class Rerunning:
    """A re-run that was made; `created` is False when its idempotency key had made it before."""

    execution_id: UUID
    created: bool
    prepared: Prepared


def prepare_rerun(*, execution: Execution, asked: Rerun) -> Prepared:
    """Check a re-run and say what it would reuse and run. Writes nothing.

    Raises WrongStatusError, VersionGoneError, InvalidInputError, WrongOutputTypeError, WorkflowArchivedError, WorkflowNotPublishedError,
    and what `plan_rerun` raises.
    """
    if execution.status not in SETTLED_EXECUTION:
        message = f"The execution is {execution.status}; only one that has ended can be run again."
        raise WrongStatusError(message, status=execution.status)
    check_not_archived(execution.workflow)
    version = _version(execution, asked.version)
    old, new = compiled_version(execution.version_id), compiled_version(version.pk)
    check_input(version, execution.input if asked.input is None else asked.input)
    runs = {run.key: run for run in _node_runs(execution) if run.path == ""}
    _check_outputs(execution, asked.outputs)
    chosen = _chosen(new, asked)
    plan = plan_rerun(old, new, _ends(runs), chosen=chosen, edited=frozenset(asked.outputs))
    return Prepared(
        execution=execution,
        version=version,
        compiled=new,
        plan=plan,
        asked=asked,
        variables=_variables(new, plan, execution),
        reused=tuple(runs.get(key) or NodeRun(key=key, status="success") for key in new.graph.nodes if key in plan.reused),
        runs=tuple(_again(new, plan, key, runs.get(key)) for key in plan.runs if key != OUTPUT_KEY),
    )


def rerun_execution(
    *,
    execution: Execution,
    asked: Rerun,
    started_by: User | None,
    idempotency_key: str | None = None,
    priority: str | None = None,
    trigger: str = "rerun",
) -> Rerunning:
    """Make a new execution that runs an ended one again, linked to it by `rerun_of`. Raises as `prepare_rerun` does.

    A node that runs again does so under a new idempotency key, since that is made of the execution it runs in: the other side takes it
    for a new request.
    """
    prepared = prepare_rerun(execution=execution, asked=asked)
    priority = priority or prepared.version.start["priority"] or "high"
    graph, found = prepared.compiled.graph, prepared.plan.frontier
    entries = [entry_of(graph, key) for key in found.ready]
    execution_id, created = _insert(
        prepared,
        new={
            "id": uuid7(),
            "version": prepared.version.pk,
            "input": execution.input if asked.input is None else asked.input,
            "variables": prepared.variables,
            "idempotency_key": idempotency_key,
            "trigger": trigger,
            "priority": priority,
            "started_by": started_by.pk if started_by else None,
            "timeout_seconds": prepared.version.start["timeout_seconds"],
        },
        ready=entries,
    )
    if created:
        ready = [Ready(execution_id, prepared.version.pk, one["key"], "", one["queue"], priority) for one in entries]
        transaction.on_commit(lambda: handoff.send(ready), robust=True)
    return Rerunning(execution_id, created, prepared)


def _insert(prepared: Prepared, *, new: Mapping[str, Any], ready: list[Any]) -> tuple[UUID, bool]:
    graph, plan = prepared.compiled.graph, prepared.plan
    documents = (
        new,
        [_reused(prepared, key) for key in plan.reused],
        [entry_of(graph, key) for key in plan.frontier.skipped],
        [
            {"key": key, "expected": graph.nodes[key].expected, "needed": graph.nodes[key].needed, "settled": a.settled, "live": a.live}
            for key, a in plan.frontier.gates.items()
            if graph.nodes[key].is_join
        ],
        ready,
    )
    with connection.cursor() as cursor:
        cursor.execute(
            "select * from rerun_v1(%s, %s::jsonb, %s::jsonb, %s::jsonb, %s::jsonb, %s::jsonb, %s::interval)",
            [prepared.execution.pk, *(orjson.dumps(document).decode() for document in documents), f"{protocol.DUE_SECONDS} s"],
        )
        execution_id, created = cursor.fetchone()
    return execution_id, created


def _reused(prepared: Prepared, key: str) -> dict[str, Any]:
    if key not in prepared.asked.outputs:
        return {"key": key}
    output, ref, fault = stored(prepared.asked.outputs[key], prepared.execution.workspace_id)
    if fault is not None:
        raise OutputTooLargeError(f"The output of '{key}': {fault.error.message}", pointer=f"/outputs/{key}")
    place = {**entry_of(prepared.compiled.graph, key), "port": prepared.plan.reused[key].port, "is_edited": True}
    return place | ({"output_ref": ref} if output is None else {"output": orjson.Fragment(output)})


def _version(execution: Execution, which: str) -> WorkflowVersion:
    versions = WorkflowVersion.objects.defer("definition").filter(workflow_id=execution.workflow_id)
    if which == "published":
        versions = versions.filter(pk__in=[execution.workflow.published_version_id])
    elif which == "same":
        versions = versions.filter(pk=execution.version_id)
    found = versions.order_by("-number").first()
    if found is None and which == "published":
        raise WorkflowNotPublishedError(f"Workflow '{execution.workflow.name}' has no published version.")
    if found is None:
        raise VersionGoneError("The version of this execution is gone.", version=str(execution.version_id), reason="deleted")
    return found


def _node_runs(execution: Execution) -> list[NodeRun]:
    shown = ("key", "path", "status", "port", "started_at", "origin", "origin_execution")
    return list(NodeRun.objects.filter(execution=execution).only(*shown).order_by("id"))


def _ends(runs: Mapping[str, NodeRun]) -> dict[str, Settled]:
    return {key: Settled(NodeRunStatus(run.status), run.port) for key, run in runs.items()}


def _chosen(new: Compiled, asked: Rerun) -> frozenset[str] | None:
    if isinstance(asked.origin, Place):
        if asked.origin.path or asked.origin.key == OUTPUT_KEY:
            raise UnknownNodeError(f"There is no node '{asked.origin.key}' with path '{asked.origin.path}'.", nodes=[asked.origin.key])
        return frozenset({asked.origin.key})
    return None if asked.origin == FAILED else frozenset(new.graph.entries)


def _check_outputs(execution: Execution, outputs: Mapping[str, Any]) -> None:
    """An edited output is of the type of the old one, where there was one: what comes after reads it in the same way."""
    if not outputs:
        return
    kind = Func(F("output"), function="jsonb_typeof", output_field=TextField())
    rows = NodeRun.objects.filter(execution=execution, path="", key__in=list(outputs), status="success").annotate(kind=kind)
    for key, expected in rows.values_list("key", "kind"):
        found = _json_type(outputs[key])
        if expected not in (None, "null", found):
            pointer = f"/outputs/{key}"
            message = f"The output of '{key}' was of type {expected}; found {found} (at '{pointer}')."
            raise WrongOutputTypeError(message, pointer=pointer, found=found, expected=expected)


def _json_type(value: Any) -> str:
    kinds: dict[type, str] = {dict: "object", list: "array", str: "string", bool: "boolean", type(None): "null"}
    return kinds.get(type(value), "number")


def _variables(new: Compiled, plan: RerunPlan, execution: Execution) -> dict[str, Any]:
    """The variables with which it goes on: as they were in the end, but for those that only nodes to be run again have written."""
    initial = dict(new.graph.initial_variables)
    writers = {key: get_type(node.type).writes(node.config) for key, node in new.nodes.items()}
    kept = {name for key in plan.reused for name in writers.get(key, ())}
    return initial | {name: value for name, value in execution.variables.items() if name in kept}


def _again(new: Compiled, plan: RerunPlan, key: str, run: NodeRun | None) -> NodeAgain:
    node = new.nodes[key]
    effect: Effect = get_type(node.type).effect_of(node.config)
    has_run = run is not None and run.started_at is not None and run.status != NodeRunStatus.SKIPPED
    return NodeAgain(key, effect.value, has_run, key in plan.frontier.ready)
