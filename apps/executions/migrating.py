"""Letting executions that wait go on in another version of their workflow."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson

from apps.core.audit import Verb, record
from apps.engine.errors import InvalidError
from apps.engine.input_schema import input_problems
from apps.engine.moves import Move, MoveProblem, check_mapping, plan_move
from apps.engine.planner import Settled
from apps.engine.reruns import Compiled
from apps.engine.statuses import SETTLED_NODE_RUN, NodeRunStatus
from apps.executions import handoff, protocol
from apps.executions.announcements import announce_change
from apps.executions.models import Execution, ExecutionQuerySet, Gate, NodeRun
from apps.executions.versions import compiled_version
from apps.workflows.compiled import entry_of
from apps.workflows.models import WorkflowVersion

MAX_EXECUTIONS = 1000
OPEN = ("running", "paused")
_MIGRATE = """
select migrate_v1(%(execution)s, %(from)s, %(to)s, %(runs)s::jsonb, %(gates)s::jsonb, %(ready)s::jsonb, %(skipped)s::jsonb,
                  %(variables)s::jsonb, %(due)s::interval) as result
"""


class SameVersionError(InvalidError):
    code = "same_version"


@dataclass(frozen=True, slots=True)
class Refused:
    """An execution that cannot move, and all that is in its way."""

    execution_id: UUID
    problems: tuple[MoveProblem, ...]


@dataclass(frozen=True, slots=True)
class Migration:
    """What has been moved, or could be.

    possible   ids of those that can move; of these `moved` have
    left       executions of the old version, of those asked for, that were not looked at
    """

    possible: tuple[UUID, ...]
    moved: tuple[UUID, ...]
    impossible: tuple[Refused, ...]
    left: int


def migrate_executions(
    *,
    old: WorkflowVersion,
    new: WorkflowVersion,
    executions: ExecutionQuerySet,
    mapping: Mapping[str, str],
    first: int | None = None,
    dry_run: bool = False,
) -> Migration:
    """Move executions of `old` to `new`, the oldest first, each in a transaction of its own.

    mapping   {node key in the old version: its key in the new one} of the nodes that were renamed
    first     so many at most
    Raises SameVersionError, VersionGoneError, UnknownNodeError, AmbiguousMappingError.
    """
    if old.pk == new.pk:
        raise SameVersionError(f"Version {old.number} is where they are already.")
    versions = compiled_version(old.pk), compiled_version(new.pk)
    check_mapping(*versions, mapping)
    found = executions.filter(version=old, status__in=OPEN).order_by("created_at", "id")
    looked_at = list(found.only("id", "status", "input", "version_id")[:MAX_EXECUTIONS])
    candidates = [_Candidate(execution, *versions, mapping, new) for execution in looked_at]
    _read(candidates)
    possible: list[UUID] = []
    moved: list[UUID] = []
    impossible: list[Refused] = []
    for one in candidates:
        plan = one.plan()
        if not isinstance(plan, Move):
            impossible.append(Refused(one.execution.pk, plan))
            continue
        if first is not None and len(possible) == first:
            continue
        possible.append(one.execution.pk)
        if dry_run:
            continue
        if one.move(plan):
            moved.append(one.execution.pk)
        else:
            possible.pop()
            impossible.append(Refused(one.execution.pk, (_BUSY,)))
    if moved:
        told = {"from": old.number, "to": new.number, "mapping": dict(mapping), "executions": [str(each) for each in moved[:MAX_TOLD]]}
        record(Verb.EXECUTIONS_MIGRATED, new.workflow, after={**told, "count": len(moved)})
    return Migration(tuple(possible), tuple(moved), tuple(impossible), left=found.count() - len(impossible))


MAX_TOLD = 100  # executions in the audit log
_BUSY = MoveProblem("busy", "", "A node of it is at work or about to begin; pause it, and wait until what runs has ended.")


class _Candidate:
    """One execution, with what is known of it."""

    def __init__(self, execution: Execution, old: Compiled, new: Compiled, mapping: Mapping[str, str], version: WorkflowVersion) -> None:
        self.execution, self._old, self._new, self._mapping, self._version = execution, old, new, mapping, version
        self.runs: list[dict[str, Any]] = []
        self.gates: frozenset[str] = frozenset()

    def plan(self) -> Move | tuple[MoveProblem, ...]:
        if problems := tuple(self._problems()):
            return problems
        ends = {run["key"]: _end(run) for run in self.runs}
        return plan_move(self._old, self._new, ends, gates=self.gates, mapping=self._mapping)

    def _problems(self) -> list[MoveProblem]:
        statuses = {run["status"] for run in self.runs}
        found = []
        if "running" in statuses or ("queued" in statuses and self.execution.status == "running"):
            found.append(_BUSY)
        if any(run["path"] for run in self.runs):
            found.append(MoveProblem("in_a_loop", "", "It is inside a loop, whose items stay with the version that began them."))
        for problem in input_problems(self._version.start.get("input_schema"), self.execution.input):
            message = f"Its input does not fit the new version: {problem.pointer or '/'}: {problem.message}"
            found.append(MoveProblem("input_does_not_fit", "", message))
        return found

    def move(self, plan: Move) -> bool:
        """Whether it was moved: False when it has gone on since it was read."""
        graph = self._new.graph
        documents = {
            "runs": [self._run(run, plan) for run in self.runs],
            "gates": [
                {"key": key, "expected": graph.nodes[key].expected, "needed": graph.nodes[key].needed, "settled": a.settled, "live": a.live}
                for key, a in plan.gates.items()
            ],
            "ready": [entry_of(graph, key) for key in plan.frontier.ready],
            "skipped": [entry_of(graph, key) for key in plan.frontier.skipped],
            "variables": dict(graph.initial_variables),
        }
        result = protocol.call_repeating(
            _MIGRATE,
            execution=self.execution.pk,
            to=self._version.pk,
            due=f"{protocol.DUE_SECONDS} s",
            **{"from": self.execution.version_id},
            **{name: orjson.dumps(document).decode() for name, document in documents.items()},
        )
        if result is None:
            return False
        if result["status"] == "running":
            handoff.send(protocol.ready_in(result, execution_id=self.execution.pk, version_id=self._version.pk))
        announce_change(self.execution.pk, result)
        return True

    def _run(self, run: Mapping[str, Any], plan: Move) -> dict[str, Any]:
        target = plan.keys.get(run["key"])
        place = {} if target is None else dict(entry_of(self._new.graph, target))
        return {**place, **run, "to": target}


def _end(run: Mapping[str, Any]) -> Settled | None:
    status = NodeRunStatus(run["status"])
    return Settled(status, run["port"]) if status in SETTLED_NODE_RUN else None


def _read(candidates: Sequence[_Candidate]) -> None:
    """Give each its node runs and gates: two queries for all."""
    ids = [one.execution.pk for one in candidates]
    runs: dict[UUID, list[dict[str, Any]]] = defaultdict(list)
    shown = ("id", "key", "path", "status", "port")
    for execution_id, *values in NodeRun.objects.filter(execution__in=ids).order_by("id").values_list("execution_id", *shown):
        runs[execution_id].append(dict(zip(shown, values, strict=True)))
    gates: dict[UUID, set[str]] = defaultdict(set)
    for execution_id, key in Gate.objects.filter(execution__in=ids).values_list("execution_id", "key"):
        gates[execution_id].add(key)
    for one in candidates:
        one.runs, one.gates = runs[one.execution.pk], frozenset(gates[one.execution.pk])
