"""What people and programs do to executions: one function a verb."""

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID, uuid4

import orjson
from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper

from apps.accounts.models import User
from apps.core import quotas
from apps.core.audit import Verb
from apps.core.depth import check_depth
from apps.core.ids import uuid7
from apps.core.quotas import QuotaName
from apps.engine.errors import ConflictError, InvalidError, NotFoundError
from apps.engine.input_schema import input_problems
from apps.engine.json_values import check_json
from apps.engine.outcomes import Failed, NodeError, Succeeded
from apps.executions import admission, backlog, handoff, protocol
from apps.executions.announcements import announce_change
from apps.executions.protocol import Ready
from apps.executions.recorded import call_recorded
from apps.executions.settling import settle_held
from apps.workflows.compiled import StartPlan
from apps.workflows.favourites import check_not_archived
from apps.workflows.models import Workflow, WorkflowVersion

MAX_STARTS = 1000
# Starts by people and by programs go before those of clocks and webhooks.
HIGH_PRIORITY_TRIGGERS = frozenset({"manual", "api", "shell", "rerun", "test"})

_START = "select * from start_in_line_v1(%s, %s, %s, %s::jsonb, %s::jsonb, %s, %s, %s, %s, %s::interval, %s)"


class WorkflowNotPublishedError(ConflictError):
    code = "workflow_not_published"


class InvalidInputError(InvalidError):
    """The input does not fit the definition's `inputs`; details: {"start": int, "errors": [problems as of a definition]}."""

    code = "invalid_input"


class TooManyStartsError(InvalidError):
    code = "too_many_starts"


class WrongStatusError(ConflictError):
    """The execution's status does not allow it; details: {"status": str}."""

    code = "wrong_status"


class NotUncertainError(ConflictError):
    code = "not_uncertain"


class ExecutionNotFoundError(NotFoundError):
    code = "execution_not_found"


@dataclass(frozen=True, slots=True)
class Start:
    """One execution to be made.

    idempotency_key   a second start of the same workflow with this key returns the first one's execution
    """

    input: Mapping[str, Any] | None = None
    business_key: str = ""
    idempotency_key: str | None = None


@dataclass(frozen=True, slots=True)
class Started:
    """An accepted start. `created` is False when its idempotency key had made this execution before.

    is_limited   it stands in line, or did: a limit concerns it
    """

    execution_id: UUID
    created: bool
    is_limited: bool = False


@dataclass(frozen=True, slots=True)
class StartStatement:
    """A statement of another app that makes rows of its own together with executions.

    sql          takes the parameters of start_in_line_v1 and then its own, and returns what that returns
    parameters   its own
    """

    sql: str
    parameters: tuple[Any, ...] = ()


def start_execution(
    *,
    workflow: Workflow,
    version: WorkflowVersion | None = None,
    input: Mapping[str, Any] | None = None,
    started_by: User | None = None,
    trigger: str = "api",
    business_key: str = "",
    idempotency_key: str | None = None,
    priority: str | None = None,
    depth: int = 0,
    is_owed: bool = False,
) -> Started:
    """Start a version of a workflow, the published one unless `version` names another.

    Inside `transaction.atomic()` the execution is made or undone with the caller's transaction; workers hear of it after the commit.
    Where a limit on executions at a time concerns it, it is `pending` until its turn comes.

    depth     how many executions led to it
    is_owed   it counts for quotas, but none refuses it: it follows from an execution that was counted and accepted

    Raises WorkflowNotPublishedError, WorkflowArchivedError, InvalidInputError, InvalidConcurrencyKeyError, QuotaExceededError,
    TooDeepError.
    """
    start = Start(input=input, business_key=business_key, idempotency_key=idempotency_key)
    how: dict[str, Any] = {"started_by": started_by, "trigger": trigger, "priority": priority, "depth": depth, "is_owed": is_owed}
    [started] = start_executions(workflow=workflow, version=version, starts=[start], **how)
    return started


def start_executions(
    *,
    workflow: Workflow,
    version: WorkflowVersion | None = None,
    starts: Sequence[Start],
    started_by: User | None = None,
    trigger: str = "api",
    priority: str | None = None,
    among: int = 0,
    depth: int = 0,
    statement: StartStatement = StartStatement(_START),
    is_owed: bool = False,
) -> list[Started]:
    """Start up to 1,000 executions of one version in one statement: all or none. As `start_execution` otherwise.

    among   how many the caller starts in all, of other versions too: the more there are, the more brief node runs share a message
    """
    if len(starts) > MAX_STARTS:
        raise TooManyStartsError(f"Found {len(starts)} starts; at most {MAX_STARTS} are taken at once.", found=len(starts))
    check_depth(depth)
    check_not_archived(workflow)
    version = version or workflow.published_version
    if version is None:
        raise WorkflowNotPublishedError(f"Workflow '{workflow.name}' has no published version: publish one, or start a version by its id.")
    _check_inputs(version, starts)
    plan: StartPlan = version.start
    priority = priority or plan["priority"] or ("high" if trigger in HIGH_PRIORITY_TRIGGERS else "normal")
    sent = backlog.starts_to_send(plan, priority, len(starts), among=among)
    # One statement, and so a transaction of its own where the caller has none open.
    how: dict[str, Any] = {"started_by": started_by, "trigger": trigger, "priority": priority, "depth": depth, "is_owed": is_owed}
    started = _insert(version, plan, starts, **how, sent=sent, statement=statement)
    ready = [
        Ready(one.execution_id, version.id, entry["key"], "", entry["queue"], priority, entry["brief"])
        for one in started[:sent]
        if one.created and not one.is_limited
        for entry in plan["entries"]
    ]
    transaction.on_commit(lambda: handoff.send(ready, among=among), robust=True)
    if any(one.is_limited for one in started):
        transaction.on_commit(lambda: admission.admit(workspace_id=version.workspace_id, workflow_id=version.workflow_id), robust=True)
    return started


def check_input(version: WorkflowVersion, input: Mapping[str, Any]) -> None:
    """Raise InvalidInputError unless it fits the version's `inputs`."""
    _check_inputs(version, [Start(input=input)])


def _check_inputs(version: WorkflowVersion, starts: Sequence[Start]) -> None:
    schema = version.start.get("input_schema")
    for index, start in enumerate(starts):
        check_json(start.input)
        if problems := input_problems(schema, start.input or {}):
            place = f"start {index}, " if len(starts) > 1 else ""
            raise InvalidInputError(
                f"The input does not fit the workflow's inputs: {place}{problems[0].pointer or '/'}: {problems[0].message}",
                start=index,
                errors=[problem.as_json() for problem in problems],
            )


def _insert(
    version: WorkflowVersion,
    plan: StartPlan,
    starts: Sequence[Start],
    *,
    started_by: User | None,
    trigger: str,
    priority: str,
    depth: int,
    sent: int,
    statement: StartStatement,
    is_owed: bool,
) -> list[Started]:
    documents = [
        {
            "id": uuid7(),
            "input": start.input or {},
            "variables": plan["variables"],
            "business_key": start.business_key,
            "idempotency_key": start.idempotency_key,
            **admission.place_in_line(plan, input=start.input or {}, variables=plan["variables"]),
        }
        for start in starts
    ]
    user_id = started_by.id if started_by else None
    limits = quotas.limits_of(QuotaName.EXECUTIONS_PER_DAY, workspace_id=version.workspace_id, user_id=user_id)
    is_stored_limited = not is_owed and bool(quotas.limits_of(QuotaName.STORED_BYTES, workspace_id=version.workspace_id))
    with transaction.atomic() if is_stored_limited or depth else nullcontext(), quotas.refusing(limits), connection.cursor() as cursor:
        cursor.execute(
            counted(statement.sql, is_owed=is_owed) if limits else statement.sql,
            [
                version.workspace_id,
                version.workflow_id,
                version.id,
                orjson.dumps(documents).decode(),
                orjson.dumps(plan["entries"]).decode(),
                trigger,
                priority,
                user_id,
                plan["timeout_seconds"],
                f"{protocol.DUE_SECONDS} s",
                sent,
                *statement.parameters,
                *([quotas.as_json(limits)] if limits else []),
            ],
        )
        started = [Started(*row) for row in cursor.fetchall()]
        keep_depth(cursor, depth, [one.execution_id for one in started if one.created])
        if is_stored_limited and any(one.created for one in started):
            quotas.check(QuotaName.STORED_BYTES, workspace_id=version.workspace_id, adding=0)
        return started


def keep_depth(cursor: CursorWrapper, depth: int, execution_ids: Sequence[UUID]) -> None:
    """Note in the transaction of a start how many executions led to these. Most begin at 0, and cost nothing."""
    if depth and execution_ids:
        cursor.execute("update execution set depth = %s where id = any (%s)", [depth, list(execution_ids)])


def counted(start: str, *, is_owed: bool = False) -> str:
    """A statement that makes executions, and counts the new ones against limits, its last parameter: what is over one undoes it whole.

    Starts that an idempotency key had made before count nothing.

    is_owed   they are counted, and none is refused
    """
    take = "quota_count_v1" if is_owed else "quota_take_v1"
    return f"""
        with made as materialized ({start}),
             taken as materialized (select {take}(%s::jsonb, (select count(*) filter (where m.is_new) from made m)))
        select made.* from made, taken
    """  # noqa: S608  # constants


def cancel_execution(*, execution_id: UUID) -> str:
    """Ask an execution to stop: what has not begun ends at once, what runs is asked, and after a grace of 30 s loses its claim.

    Returns the new status, `cancelling` or `cancelled`. Raises WrongStatusError when it has ended, ExecutionNotFoundError.
    """
    allowed = {"pending", "running", "paused"}
    result = call_recorded(Verb.EXECUTION_CANCELLED, "cancel_v1(%(execution)s, null)", execution_id=execution_id, allowed=allowed)
    status = _moved(execution_id, result, allowed=allowed, verb="cancelled")
    if status == "cancelled" and result["was"] != "pending":
        admission.admit()
    return status


def pause_execution(*, execution_id: UUID) -> str:
    """Let nothing new begin; what runs finishes. Raises WrongStatusError unless it runs."""
    result = _pause(Verb.EXECUTION_PAUSED, execution_id, is_pause=True, allowed={"running"})
    return _moved(execution_id, result, allowed={"running"}, verb="paused")


def resume_execution(*, execution_id: UUID) -> str:
    """Go on after a pause. Raises WrongStatusError unless it is paused."""
    result = _pause(Verb.EXECUTION_RESUMED, execution_id, is_pause=False, allowed={"paused"})
    status = _moved(execution_id, result, allowed={"paused"}, verb="resumed")
    handoff.send(protocol.ready_in(result, execution_id=execution_id, version_id=UUID(result["version"])))
    return status


def _pause(verb: Verb, execution_id: UUID, *, is_pause: bool, allowed: set[str]) -> dict[str, Any]:
    function = "pause_v1(%(execution)s, %(pause)s, %(due)s::interval)"
    parameters: dict[str, Any] = {"pause": is_pause, "due": f"{protocol.DUE_SECONDS} s"}
    result: dict[str, Any] = call_recorded(verb, function, execution_id=execution_id, allowed=allowed, **parameters)
    return result


def _moved(execution_id: UUID, result: dict[str, Any], *, allowed: set[str], verb: str) -> str:
    """The new status, announced; or the error that says why there is none."""
    was = result["was"]
    if was is None:
        raise ExecutionNotFoundError(f"There is no execution {execution_id}.")
    if was not in allowed:
        raise WrongStatusError(f"The execution is {was}; only one that is {' or '.join(sorted(allowed))} can be {verb}.", status=was)
    announce_change(execution_id, result)
    return str(result["status"])


def signal_node_run(*, execution_id: UUID, key: str, path: str = "", signal: str, payload: Any = None) -> bool:
    """Wake a node run that waits for a signal of this name; False when it does not wait for it (any more)."""
    woken = protocol.call_repeating(
        "select signal_v1(%(execution)s, %(key)s, %(path)s, %(signal)s, %(payload)s::jsonb, %(due)s::interval) as result",
        execution=execution_id,
        key=key,
        path=path,
        signal=signal,
        payload=orjson.dumps(payload).decode(),
        due=f"{protocol.DUE_SECONDS} s",
    )
    if woken is None:
        return False
    handoff.send([Ready(execution_id, UUID(woken["version_id"]), key, path, woken["queue"], woken["priority"])])
    return True


def resolve_uncertain(*, node_run_id: int, decision: Literal["rerun", "success", "failed"], output: Any = None, message: str = "") -> None:
    """Say what became of a node run whose worker died in the middle of its effect.

    rerun     the effect did not happen: run it again
    success   it did, with this output
    failed    it did not, and must not be tried again; `message` says why
    Raises NotUncertainError when the node run is not uncertain, or its execution is over, OutputNotKeptError.
    """
    check_json(output)
    token = uuid4()
    result = call_recorded(
        Verb.NODE_RUN_RESOLVED,
        "resolve_uncertain_v1(%(node_run)s, %(rerun)s, %(token)s, %(due)s::interval)",
        allowed={"uncertain"},
        after={"decision": decision, "message": message},
        node_run=node_run_id,
        rerun=decision == "rerun",
        token=token,
        due=f"{protocol.DUE_SECONDS} s",
    )
    if result is None:
        raise NotUncertainError("This node run is not uncertain (any more), or its execution has ended.", node_run=node_run_id)
    execution_id = UUID(result["execution"])
    if decision == "rerun":
        handoff.send([Ready(execution_id, UUID(result["version"]), result["key"], result["path"], result["queue"], result["priority"])])
        return
    outcome: Succeeded | Failed = Succeeded(output)
    if decision == "failed":
        outcome = Failed(NodeError("resolved_as_failed", message or "A person decided that it failed."), is_final=True)
    is_settled = settle_held(
        execution_id=execution_id,
        workspace_id=UUID(result["workspace"]),
        version_id=UUID(result["version"]),
        key=result["key"],
        path=result["path"],
        token=token,
        outcome=outcome,
    )
    if not is_settled:
        raise NotUncertainError("The execution was stopped meanwhile; the decision came too late.", node_run=node_run_id)
