"""Answers to tasks: checked, counted, and handed to the node run that waits for them."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import orjson
from django.db import connection, transaction
from django.db.models import Q
from django.db.models.functions import Now

from apps.accounts.models import User
from apps.core import fence
from apps.core.audit import Verb, record
from apps.engine.errors import ConflictError, InvalidError
from apps.engine.input_schema import input_problems
from apps.engine.json_values import JsonTooLargeError, check_json
from apps.engine.waits import HUMAN_TASK
from apps.executions import handoff, protocol
from apps.executions.announcements import announce_hint
from apps.executions.models import Execution
from apps.executions.protocol import Ready
from apps.tasks.asking import needed_of
from apps.tasks.live import tell_inboxes
from apps.tasks.models import Decision, HumanTask
from apps.tasks.rights import TaskClosedError, check_open, hands_before, people_of, right_of

MAX_ANSWER_BYTES = 256 * 1024
_WAKE = "select signal_v1(%s, %s, %s, %s, %s::jsonb, %s::interval)"


class AnswersDoNotFitError(InvalidError):
    """details: {"errors": [{"pointer": "/variables/…", "message", …}]}."""

    code = "invalid_answers"


class AlreadyAnsweredError(ConflictError):
    """The person, or whom they stand for, has answered the task before."""

    code = "already_answered"


@transaction.atomic
def complete(*, task_id: int, user: User, variables: Mapping[str, Any]) -> HumanTask:
    """Answer a task. It closes with the answer that decides it, and the execution goes on in the same commit.

    Raises TaskClosedError, NotYourTaskError, FourEyesError, AlreadyAnsweredError, AnswersDoNotFitError, JsonTooLargeError.
    """
    task = _locked(task_id)
    right = right_of(user, task)
    _check_answers(task, variables)
    _check_is_new(task, user, right)
    decision = Decision.objects.create(
        workspace_id=task.workspace_id,
        task=task,
        user=user,
        voter_id=right,
        approved=variables.get(task.decision) is not False,
        variables=dict(variables),
    )
    task.voters = [*task.voters, *{user.pk, right}]
    task.approved = _verdict(task)
    if task.approved is None:
        task.save(update_fields=["voters"])
        tell_inboxes(task.holders)
    else:
        _close(task, HumanTask.Status.COMPLETED, _answer(task, decision))
    record(Verb.TASK_DECIDED, task, after={"approved": decision.approved, "in_place_of": None if right == user.pk else right})
    return task


def expire(task: HumanTask) -> None:
    """Close an open task that nobody has answered in time; the caller holds the locks of its execution and of its row."""
    _close(task, HumanTask.Status.EXPIRED, {"outcome": "timeout", "task": task.pk})


def lock_execution(execution_id: UUID) -> None:
    """Executions are locked before what is below them, everywhere."""
    list(Execution.objects.select_for_update(no_key=True).filter(pk=execution_id).values_list("pk"))


def _locked(task_id: int) -> HumanTask:
    # Under the lock of the execution, an earlier answer to another task of it has been counted, or comes after this one.
    lock_execution(HumanTask.objects.values_list("execution_id", flat=True).get(pk=task_id))
    task = HumanTask.objects.select_for_update().get(pk=task_id)
    check_open(task)
    return task


def _check_answers(task: HumanTask, variables: Mapping[str, Any]) -> None:
    check_json(variables)
    if (size := len(orjson.dumps(variables))) > MAX_ANSWER_BYTES:
        raise JsonTooLargeError(f"Expected at most {MAX_ANSWER_BYTES} bytes, found {size}.", max_bytes=MAX_ANSWER_BYTES, size_bytes=size)
    errors = [{**problem.as_json(), "pointer": f"/variables{problem.pointer}"} for problem in input_problems(task.form, variables)]
    if errors:
        raise AnswersDoNotFitError(f"The answers do not fit the form: {errors[0]['pointer']}: {errors[0]['message']}", errors=errors)


def _check_is_new(task: HumanTask, user: User, right: UUID) -> None:
    if task.decisions.filter(Q(user=user) | Q(voter_id=right)).exists():
        raise AlreadyAnsweredError("You, or whom you stand for, have answered this task.")


def _verdict(task: HumanTask) -> bool | None:
    """Whether the answers so far are a yes or a no; None while that is open."""
    answers = list(task.decisions.values_list("approved", flat=True))
    if not task.needs_votes:
        return answers[0]
    asked = people_of(task.workspace_id, task.holders)
    if task.four_eyes:
        asked -= hands_before(task)
    # Who has answered counts, though they may have left since.
    asked |= set(task.decisions.values_list("voter_id", flat=True)) - {None}
    needed, yeses = needed_of(task.quorum, len(asked)), sum(answers)
    if yeses >= needed:
        return True
    return False if yeses + len(asked) - len(answers) < needed else None


def _answer(task: HumanTask, decision: Decision) -> dict[str, Any]:
    """What the node run is resumed with, and the output of the node."""
    decisions = task.decisions.select_related("user", "voter").order_by("created_at", "id")
    return {
        "outcome": "completed",
        "task": task.pk,
        "approved": task.approved,
        "variables": decision.variables,
        "decisions": [_shown(each) for each in decisions],
    }


def _shown(decision: Decision) -> dict[str, Any]:
    by = decision.user.username if decision.user else None
    stands_for = decision.voter.username if decision.voter and decision.voter_id != decision.user_id else None
    return {
        "by": by,
        "in_place_of": stands_for,
        "approved": decision.approved,
        "variables": decision.variables,
        "at": decision.created_at.isoformat(),
    }


def _close(task: HumanTask, status: str, signal: Mapping[str, Any]) -> None:
    task.status, task.closed_at = status, Now()
    task.save(update_fields=["status", "closed_at", "voters", "approved"])
    tell_inboxes(task.holders)
    # The task is closed before the node run is woken: the trigger would take what is still open for expired.
    parameters: list[Any] = [task.execution_id, task.key, task.path, HUMAN_TASK, orjson.dumps(signal).decode(), f"{protocol.DUE_SECONDS} s"]
    with fence.lifted(), connection.cursor() as cursor:  # of an execution that whoever answers need not be allowed to see
        cursor.execute(_WAKE, parameters)
        woken = cursor.fetchone()[0]
    if woken is None:
        raise TaskClosedError("The execution does not wait for this task any more.", status="cancelled")
    _send_on_commit(task, orjson.loads(woken) if isinstance(woken, str) else woken)


def _send_on_commit(task: HumanTask, woken: Mapping[str, Any]) -> None:
    ready = Ready(task.execution_id, UUID(woken["version_id"]), task.key, task.path, woken["queue"], woken["priority"], is_brief=True)
    change = {name: woken[name] for name in ("key", "attempt", "revision", "status")} | {"path": task.path}
    transaction.on_commit(lambda: handoff.send([ready]), robust=True)
    transaction.on_commit(lambda: announce_hint(task.execution_id, [change]), robust=True)
