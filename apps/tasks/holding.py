"""Whose task it is: claimed, released, and passed on."""

from uuid import UUID

from django.db import transaction
from django.db.models.functions import Now

from apps.accounts.models import Membership, User
from apps.core.audit import Verb, record
from apps.engine.errors import ConflictError, InvalidError
from apps.tasks.asking import holders_of
from apps.tasks.keys import user_key
from apps.tasks.live import tell_inboxes
from apps.tasks.models import HumanTask
from apps.tasks.rights import NotYourTaskError, check_four_eyes, check_open, may_manage, right_of


class AlreadyClaimedError(ConflictError):
    """Somebody else was first; details: {"assignee": username}, whom all see who see the task."""

    code = "already_claimed"


class DecidedByManyError(ConflictError):
    """Several people have to answer: nobody has such a task alone."""

    code = "decided_by_many"


class NobodyElseError(ConflictError):
    """It was given to one person by name, and offered to nobody."""

    code = "nobody_else"


class NoSuchPersonError(InvalidError):
    """details: {"pointer": "/to"}."""

    code = "no_such_person"


@transaction.atomic
def claim(*, task_id: int, user: User) -> None:
    """Take a task that is offered; of two at once, one gets it. To claim one's own changes nothing.

    Raises NotYourTaskError, FourEyesError, AlreadyClaimedError, DecidedByManyError, TaskClosedError.
    """
    task = locked(task_id)
    if task.assignee_id == user.pk:
        return
    if task.assignee is not None and task.claimed_at is not None:
        raise AlreadyClaimedError(f"{task.assignee.username} has claimed the task.", assignee=task.assignee.username)
    _check_held_by_one(task)
    right = right_of(user, task)
    _give(task, user.pk, in_place_of=None if right == user.pk else right)
    record(Verb.TASK_CLAIMED, task, after={"in_place_of": task.in_place_of_id})


@transaction.atomic
def release(*, task_id: int, user: User) -> None:
    """Give a task back to all to whom it is offered. Raises NotYourTaskError, NobodyElseError, TaskClosedError."""
    task = locked(task_id)
    if task.assignee_id != user.pk and not may_manage(user, task):
        raise NotYourTaskError("The task is not yours to give back.")
    if task.assignee_id is None or not task.candidates:
        raise NobodyElseError("The task is offered to nobody else; delegate it instead.")
    _offer(task)
    record(Verb.TASK_RELEASED, task)


@transaction.atomic
def delegate(*, task_id: int, user: User, to: str) -> None:
    """Give a task to somebody else of the workspace; by those whose it is, and those who steer executions.

    to   username or id
    Raises NotYourTaskError, FourEyesError, NoSuchPersonError, DecidedByManyError, TaskClosedError.
    """
    task = locked(task_id)
    _check_held_by_one(task)
    if not may_manage(user, task):
        right_of(user, task)
    person = find_member(task.workspace_id, to)
    check_four_eyes(task, person.pk)
    before = task.assignee_id
    _give(task, person.pk, delegated_by=user.pk)
    record(Verb.TASK_DELEGATED, task, before={"assignee": before}, after={"assignee": person.pk})


@transaction.atomic
def give_back(workspace_id: UUID, user_id: UUID) -> None:
    """What somebody had claimed who leaves the workspace is offered to the others again."""
    for task in HumanTask.objects.select_for_update().filter(
        workspace_id=workspace_id, assignee_id=user_id, status=HumanTask.Status.OPEN, holders__contains=[user_key(user_id)]
    ):
        if task.candidates:
            _offer(task)


def locked(task_id: int) -> HumanTask:
    """The row of an open task, locked. Raises TaskClosedError."""
    task = HumanTask.objects.select_for_update().get(pk=task_id)
    check_open(task)
    return task


def find_member(workspace_id: UUID, name: str, pointer: str = "/to") -> User:
    """An active person of the workspace, by username or id. Raises NoSuchPersonError."""
    rows = Membership.objects.filter(workspace_id=workspace_id, user__is_active=True, user__kind=User.Kind.PERSON).select_related("user")
    try:
        found = rows.filter(user_id=UUID(name)).first()
    except ValueError:
        found = rows.filter(user__username=name).first()
    if found is None:
        raise NoSuchPersonError(f"The workspace has no member '{name[:150]}'.", pointer=pointer)
    return found.user


def _check_held_by_one(task: HumanTask) -> None:
    if task.needs_votes:
        raise DecidedByManyError("Several people have to answer this task: it cannot be one person's.")


def _give(task: HumanTask, user_id: UUID, *, in_place_of: UUID | None = None, delegated_by: UUID | None = None) -> None:
    task.assignee_id, task.in_place_of_id, task.delegated_by_id = user_id, in_place_of, delegated_by
    tell_inboxes(task.holders, [user_key(user_id)])
    task.holders = [user_key(user_id)]
    task.claimed_at = Now()
    task.save(update_fields=["assignee", "in_place_of", "delegated_by", "holders", "claimed_at"])


def _offer(task: HumanTask) -> None:
    task.assignee_id = task.in_place_of_id = task.delegated_by_id = task.claimed_at = None
    before, task.holders = task.holders, holders_of(None, task.candidates)
    tell_inboxes(before, task.holders)
    task.save(update_fields=["assignee", "in_place_of", "delegated_by", "holders", "claimed_at"])
