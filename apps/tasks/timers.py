"""What is done about tasks at an instant: mails, reminders, escalations. Each once, on the clock of the database."""

import logging
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.db import InterfaceError, OperationalError, connection, transaction
from django.db.models.functions import Now

from apps.core.audit import Verb, record
from apps.executions.connection import fetch
from apps.tasks.asking import holders_of
from apps.tasks.deciding import expire, lock_execution
from apps.tasks.live import tell_inboxes
from apps.tasks.mails import tell, tell_holders
from apps.tasks.models import HumanTask, Timer
from apps.tasks.rights import people_of

log = logging.getLogger(__name__)

BATCH = 200
# Asked by every sweeper twice a second, and answered by an index of what is still to be done.
_DUE = "select id from human_task_timer where fired_at is null and due_at <= clock_timestamp() order by due_at limit %(limit)s"


def fire_due() -> int:
    """Do what is due. Returns how many timers went off. One that fails does not hold up the others: it is tried again."""
    due = fetch(_DUE, {"limit": BATCH})
    if not due:
        return 0
    fired = 0
    try:
        for row in due:
            try:
                fired += fire(row["id"])
            except (OperationalError, InterfaceError):
                raise
            except Exception:
                log.exception("Timer %s of a human task failed; it is tried again.", row["id"])
    finally:
        connection.close()
    return fired


@transaction.atomic
def fire(timer_id: int) -> bool:
    """Let one timer go off; False when somebody else does, or has done."""
    timer = Timer.objects.select_for_update(skip_locked=True).filter(pk=timer_id, fired_at__isnull=True, due_at__lte=Now()).first()
    if timer is None:
        return False
    task = _locked(timer.task_id)
    if task.is_open:
        match timer.kind:
            case Timer.Kind.OFFERED:
                tell_holders(task, "task_offered")
            case Timer.Kind.REMINDER:
                tell_holders(task, "task_reminder")
            case Timer.Kind.ESCALATION:
                _escalate(task, timer.what or {})
    Timer.objects.filter(pk=timer_id).update(fired_at=Now())
    return True


def _locked(task_id: int) -> HumanTask:
    lock_execution(HumanTask.objects.values_list("execution_id", flat=True).get(pk=task_id))
    return HumanTask.objects.select_for_update().get(pk=task_id)


def _escalate(task: HumanTask, what: Mapping[str, Any]) -> None:
    named = holders_of(what["assignee"], what["candidates"])
    match what["action"]:
        case "timeout":
            expire(task)
        case "reassign" if people_of(task.workspace_id, named):
            _reassign(task, what, named)
            tell(task, "task_escalated", named)
        case "reassign":  # all of them have left the workspace since: it stays with those who have it
            tell_holders(task, "task_escalated")
        case "notify":
            tell(task, "task_escalated", named or task.holders)
    record(Verb.TASK_ESCALATED, task, after={"action": what["action"], "people": [each["name"] for each in what["candidates"]]})


def _reassign(task: HumanTask, what: Mapping[str, Any], holders: list[str]) -> None:
    task.assignee_id = UUID(what["assignee"]) if what["assignee"] else None
    task.in_place_of_id = task.delegated_by_id = task.claimed_at = None
    tell_inboxes(task.holders, holders)
    task.candidates, task.holders = what["candidates"], holders
    task.save(update_fields=["assignee", "in_place_of", "delegated_by", "claimed_at", "candidates", "holders"])
