"""Who may do a task, and in whose right."""

from typing import Any
from uuid import UUID

from django.db import connection

from apps.accounts.models import User
from apps.accounts.permissions import Permission
from apps.core import fence
from apps.engine.errors import ConflictError, ForbiddenError
from apps.tasks.keys import keys_of
from apps.tasks.models import HumanTask


class NotYourTaskError(ForbiddenError):
    """It is somebody else's."""

    code = "not_your_task"


class FourEyesError(ForbiddenError):
    """Whoever had a hand in the execution before may not do this task of it."""

    code = "four_eyes"


class TaskClosedError(ConflictError):
    """It was completed, has expired, or was cancelled; details: {"status": str}."""

    code = "task_closed"


def check_open(task: HumanTask) -> None:
    """Raise TaskClosedError unless the task is open."""
    if not task.is_open:
        raise TaskClosedError(f"The task is {task.status}; only one that is open can be changed.", status=task.status)


def right_of(user: User, task: HumanTask) -> UUID:
    """In whose right `user` may do the task: their own, or that of somebody for whom they stand in.

    Raises NotYourTaskError, FourEyesError.
    """
    if not user.access.allows(task.workspace_id, Permission.TASK_WORK):
        raise NotYourTaskError(f"This needs the right {Permission.TASK_WORK} in the workspace.", permission=Permission.TASK_WORK)
    if task.assignee_id == user.pk and task.in_place_of_id is not None:
        rights = [task.in_place_of_id]
    else:
        rights = keys_of(user).rights_on(task.workspace_id, task.holders)
    if not rights:
        raise NotYourTaskError("The task is neither yours nor offered to you.")
    if not task.four_eyes:
        return rights[0]
    hands = hands_before(task)
    allowed = [right for right in rights if right not in hands]
    if user.pk in hands or not allowed:
        raise FourEyesError(
            "You, or whom you stand for, started this execution or have answered another task of it: another has to decide."
        )
    return allowed[0]


def check_four_eyes(task: HumanTask, user_id: UUID) -> None:
    """Raise FourEyesError where this person may not be given the task."""
    if task.four_eyes and user_id in hands_before(task):
        raise FourEyesError("This person started the execution, or has answered another task of it.")


def hands_before(task: HumanTask) -> set[UUID]:
    """People who started the execution or have answered another task of it, or of an execution that it belongs with."""
    return set(_column("select human_task_hands_v1(%s, %s)", task.execution_id, task.pk))


def people_of(workspace_id: UUID, keys: list[str]) -> set[UUID]:
    """People of a workspace whom these keys name."""
    return set(_column("select human_task_people_v1(%s, %s::text[])", workspace_id, keys))


def may_manage(user: User, task: HumanTask) -> bool:
    """Whether `user` may give away what is not theirs: those who steer executions."""
    return user.access.allows(task.workspace_id, Permission.EXECUTION_OPERATE)


def _column(statement: str, *parameters: Any) -> list[UUID]:
    # Rows of people and executions that the request itself need not see; only ids come of it.
    with fence.lifted(), connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return [row[0] for row in cursor.fetchall()]
