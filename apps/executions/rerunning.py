"""Running an ended execution again, from the start or from a node: always a new execution, the old one stays as it is."""

from collections.abc import Iterable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any, Literal
from uuid import UUID

import orjson
from django.db import connection, transaction

from apps.accounts.models import User
from apps.core import quotas
from apps.core.depth import check_depth
from apps.core.ids import uuid7
from apps.core.quotas import QuotaName
from apps.engine.planner import Settled
from apps.engine.rerun_places import Place, Wish
from apps.engine.rerun_tree import RerunTree, plan_tree
from apps.engine.reruns import Compiled, NothingToRerunError, RerunPlan, UnknownNodeError
from apps.engine.statuses import SETTLED_EXECUTION, NodeRunStatus
from apps.executions import admission, handoff, protocol
from apps.executions.actions import WorkflowNotPublishedError, WrongStatusError, check_input, counted, keep_depth
from apps.executions.answers import check_answers_stand
from apps.executions.models import Execution, NodeRun
from apps.executions.protocol import Ready
from apps.executions.rerun_documents import gates_of, loops_document
from apps.executions.rerun_preview import NodeAgain, has_run, nodes_again
from apps.executions.rerun_source import EndedLoops
from apps.executions.rerun_values import check_items, check_outputs, outputs_given, stored_items
from apps.executions.versions import VersionGoneError, compiled_version
from apps.nodes.registry import get_type
from apps.workflows.compiled import entry_of
from apps.workflows.favourites import check_not_archived
from apps.workflows.models import WorkflowVersion

START: Literal["start"] = "start"
FAILED: Literal["failed"] = "failed"

_RERUN = "select * from rerun_v1(%s, %s::jsonb, %s::jsonb, %s::jsonb, %s::jsonb, %s::jsonb, %s::jsonb, %s::interval)"


@dataclass(frozen=True, slots=True)
class Iterations:
    """All iterations of a loop that ended so, wherever the loop is: `failed` or `cancelled`."""

    loop: str
    status: str


@dataclass(frozen=True, slots=True)
class Iteration:
    """One iteration, from its first nodes; `path` names it: "3", in a loop inside "3.7"."""

    loop: str
    path: str


Chosen = Place | Iteration | Iterations


@dataclass(frozen=True, slots=True)
class Rerun:
    """What is to be run again, and with what.

    origin    from the start, from where it failed or was stopped, from a node, or from several places
    version   the same as before, the newest that was saved, or the published one
    input     in place of the old input; None keeps that
    outputs   {node key: output} in place of those that the nodes had; in loops `key[3.7]`
    items     {loop[3]: item} in place of those that iterations were about
    """

    origin: Literal["start", "failed"] | Chosen | tuple[Chosen, ...] = START
    version: Literal["same", "newest", "published"] = "same"
    input: Mapping[str, Any] | None = None
    outputs: Mapping[str, Any] = field(default_factory=dict)
    items: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A checked re-run, not yet made. `reused` and `runs` are in topological order, outside loops first.

    reused   of node runs outside loops; what goes over of loops is in `tree`
    has_more_runs   more nodes may run in loops than `runs` names
    """

    execution: Execution
    version: WorkflowVersion
    compiled: Compiled
    tree: RerunTree
    asked: Rerun
    outputs: Mapping[Place, Any]
    items: Mapping[Place, Any]
    variables: Mapping[str, Any]
    reused: tuple[NodeRun, ...]
    runs: tuple[NodeAgain, ...]
    has_more_runs: bool

    @property
    def plan(self) -> RerunPlan:
        """Of what is outside loops."""
        return self.tree.outer


@dataclass(frozen=True, slots=True)
class Rerunning:
    """A re-run that was made; `created` is False when its idempotency key had made it before."""

    execution_id: UUID
    created: bool
    prepared: Prepared


def prepare_rerun(*, execution: Execution, asked: Rerun) -> Prepared:
    """Check a re-run and say what it would reuse and run. Writes nothing.

    Raises WrongStatusError, VersionGoneError, InvalidInputError, WrongOutputTypeError, ItemNotReadError, WorkflowArchivedError,
    WorkflowNotPublishedError, AnswerOfPeopleError, and what `plan_tree` raises.
    """
    if execution.status not in SETTLED_EXECUTION:
        message = f"The execution is {execution.status}; only one that has ended can be run again."
        raise WrongStatusError(message, status=execution.status)
    check_not_archived(execution.workflow)
    version = _version(execution, asked.version)
    old, new = compiled_version(execution.version_id), compiled_version(version.pk)
    check_input(version, execution.input if asked.input is None else asked.input)
    runs = {run.key: run for run in _node_runs(execution)}
    outputs, items = ({Place.parse(text): value for text, value in given.items()} for given in (asked.outputs, asked.items))
    ended = EndedLoops(execution.pk, new.graph)
    tree = plan_tree(old, new, _ends(runs), ended, _wish(new, execution, asked, outputs))
    has_other_input = asked.input is not None and asked.input != execution.input
    check_outputs(execution, outputs)
    check_items(execution, new, tree, items)
    check_answers_stand(new.graph, tree, outputs=outputs, items=items, has_other_input=has_other_input)
    again, has_more = nodes_again(new, tree, ended, {run.key for run in runs.values() if has_run(run)})
    return Prepared(
        execution=execution,
        version=version,
        compiled=new,
        tree=tree,
        asked=asked,
        outputs=outputs,
        items=items,
        variables=_variables(new, tree, execution),
        reused=tuple(runs.get(key) or NodeRun(key=key, status="success") for key in new.graph.nodes if key in tree.outer.reused),
        runs=again,
        has_more_runs=has_more,
    )


def rerun_execution(
    *,
    execution: Execution,
    asked: Rerun,
    started_by: User | None,
    idempotency_key: str | None = None,
    priority: str | None = None,
    trigger: str = "rerun",
    depth: int = 0,
) -> Rerunning:
    """Make a new execution that runs an ended one again, linked to it by `rerun_of`. Where a limit concerns it, it stands in line.

    depth   executions that led to this request; it counts where it is more than what led to the old execution
    Raises as `prepare_rerun` does, InvalidConcurrencyKeyError, QuotaExceededError, TooDeepError.

    A node that runs again does so under a new idempotency key, since that is made of the execution it runs in: the other side takes it
    for a new request.
    """
    depth = max(depth, execution.depth)
    check_depth(depth)
    prepared = prepare_rerun(execution=execution, asked=asked)
    priority = priority or prepared.version.start["priority"] or "high"
    graph, found = prepared.compiled.graph, prepared.plan.frontier
    entries = [entry_of(graph, key) for key in found.ready]
    given = execution.input if asked.input is None else asked.input
    execution_id, created, is_limited = _insert(
        prepared,
        new={
            "id": uuid7(),
            "version": prepared.version.pk,
            "input": given,
            "variables": prepared.variables,
            "idempotency_key": idempotency_key,
            "trigger": trigger,
            "priority": priority,
            "started_by": started_by.pk if started_by else None,
            "timeout_seconds": prepared.version.start["timeout_seconds"],
            **admission.place_in_line(prepared.version.start, input=given, variables=prepared.variables),
        },
        ready=entries,
        depth=depth,
    )
    if is_limited:
        transaction.on_commit(lambda: admission.admit(workspace_id=execution.workspace_id, workflow_id=execution.workflow_id), robust=True)
    elif created:
        ready = [Ready(execution_id, prepared.version.pk, one["key"], "", one["queue"], priority) for one in entries]
        transaction.on_commit(lambda: handoff.send(ready), robust=True)
    return Rerunning(execution_id, created, prepared)


def _insert(prepared: Prepared, *, new: Mapping[str, Any], ready: list[Any], depth: int) -> tuple[UUID, bool, bool]:
    execution, graph, tree = prepared.execution, prepared.compiled.graph, prepared.tree
    given = outputs_given(graph, tree, prepared.outputs, execution.workspace_id)
    edited = {(one["key"], one["path"]) for one in given}
    documents = (
        new,
        [*({"key": key} for key in tree.outer.reused if (key, "") not in edited), *given],
        [entry_of(graph, key) for key in tree.outer.frontier.skipped],
        gates_of(graph, tree.outer.frontier),
        ready,
        loops_document(graph, tree, edited, stored_items(execution, prepared.items)),
    )
    limits = quotas.limits_of(QuotaName.EXECUTIONS_PER_DAY, workspace_id=execution.workspace_id, user_id=new["started_by"])
    with transaction.atomic() if depth else nullcontext(), quotas.refusing(limits), connection.cursor() as cursor:
        cursor.execute(
            counted(_RERUN) if limits else _RERUN,
            [
                execution.pk,
                *(None if document is None else orjson.dumps(document).decode() for document in documents),
                f"{protocol.DUE_SECONDS} s",
                *([quotas.as_json(limits)] if limits else []),
            ],
        )
        execution_id, created, is_limited = cursor.fetchone()
        keep_depth(cursor, depth, [execution_id] if created else [])
    return execution_id, created, is_limited


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
    """Those outside loops."""
    shown = ("key", "path", "status", "port", "started_at", "origin", "origin_execution")
    return list(NodeRun.objects.filter(execution=execution, path="").only(*shown).order_by("id"))


def _ends(runs: Mapping[str, NodeRun]) -> dict[str, Settled]:
    return {key: Settled(NodeRunStatus(run.status), run.port) for key, run in runs.items()}


def _wish(new: Compiled, execution: Execution, asked: Rerun, outputs: Iterable[Place]) -> Wish:
    wish = Wish(new.graph, is_from_failed=asked.origin == FAILED)
    for place in outputs:
        wish.give_output(place)
    origin = asked.origin
    if origin == START:
        origin = tuple(Place(key) for key in new.graph.entries)
    for chosen in origin if isinstance(origin, tuple) else (origin,):
        if isinstance(chosen, Place):
            wish.run_node(chosen)
        elif isinstance(chosen, Iteration):
            wish.run_iteration(Place(chosen.loop, chosen.path))
        elif isinstance(chosen, Iterations):
            for path in _paths(new, execution, chosen):
                wish.go_on(Place(chosen.loop, path))
    return wish


def _paths(new: Compiled, execution: Execution, chosen: Iterations) -> list[str]:
    if chosen.loop not in new.graph.loops:
        raise UnknownNodeError(f"The version has no loop '{chosen.loop}'.", nodes=[chosen.loop])
    rows = execution.iterations.filter(key=chosen.loop, status=chosen.status).order_by("id")
    if not (paths := list(rows.values_list("path", flat=True))):
        raise NothingToRerunError(f"No iteration of '{chosen.loop}' has the status {chosen.status}.", nodes=[chosen.loop])
    return paths


def _variables(new: Compiled, tree: RerunTree, execution: Execution) -> dict[str, Any]:
    """The variables with which it goes on: as they were in the end, but for those that only nodes to be run again have written."""
    initial = dict(new.graph.initial_variables)
    loops = new.graph.loops
    reopened = {each.key for each in tree.loops if not each.path}
    reused = {*tree.outer.reused, *reopened}
    reused.update(inner for key in reused & loops.keys() for inner in (*loops[key].body, *loops[key].inside))
    writers = {key: get_type(node.type).writes(node.config) for key, node in new.nodes.items()}
    kept = {name for key in reused for name in writers.get(key, ())}
    return initial | {name: value for name, value in execution.variables.items() if name in kept}
