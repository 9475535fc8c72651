"""Reads of tasks, each for somebody."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Count, Q
from django.db.models.functions import Now

from apps.accounts.models import User
from apps.engine.errors import NotFoundError
from apps.tasks.keys import keys_of
from apps.tasks.models import HumanTask, HumanTaskQuerySet

ME = "current_user"
ANY = "any"
MAX_COUNTED = 1000
_RELATED = ("assignee", "in_place_of", "delegated_by", "execution__workflow")
# What only the page of one task shows, and what an execution has that no task shows.
_HEAVY = ("form", "voters", "execution__input", "execution__variables", "execution__output", "execution__error", "execution__breakpoints")


class TaskNotFoundError(NotFoundError):
    code = "task_not_found"


def list_tasks(
    user: User,
    *,
    status: str = HumanTask.Status.OPEN,
    assignee: str | None = None,
    candidate: str | None = None,
    mine: bool = False,
    overdue: bool = False,
    due_before: datetime | None = None,
    **columns: Any,
) -> HumanTaskQuerySet:
    """Tasks that `user` may see.

    status     one of HumanTask.Status, or "any"
    assignee   `current_user`, a username or an id: whose task it is
    candidate  `current_user`: tasks offered to the caller that nobody has claimed
    mine       what awaits the caller: both of these, and what is theirs as somebody's substitute
    columns    values of columns, by lookup
    """
    found = HumanTask.objects.visible_to(user).select_related(*_RELATED).defer(*_HEAVY).filter(**columns)
    if status != ANY:
        found = found.filter(status=status)
    if assignee is not None:
        found = found.filter(_assignee(user, assignee))
    if candidate is not None:
        found = found.open_for(keys_of(user)).filter(assignee__isnull=True)
    if mine:
        found = found.open_for(keys_of(user))
    if overdue:
        found = found.filter(due_at__lt=Now())
    return found if due_before is None else found.filter(due_at__lt=due_before)


def count_tasks(user: User) -> Mapping[str, int]:
    """How many tasks await `user`: in all, their own, offered, and overdue. It counts no further than MAX_COUNTED of them."""
    newest = HumanTask.objects.visible_to(user).open_for(keys_of(user)).order_by("-id").values("pk")[:MAX_COUNTED]
    return HumanTask.objects.filter(pk__in=newest).aggregate(
        total=Count("pk"),
        assigned=Count("pk", filter=Q(assignee__isnull=False)),
        offered=Count("pk", filter=Q(assignee__isnull=True)),
        overdue=Count("pk", filter=Q(due_at__lt=Now())),
    )


def get_task(user: User, task_id: int) -> HumanTask:
    """One task that `user` may see. Raises TaskNotFoundError."""
    task = HumanTask.objects.visible_to(user).select_related("workspace", *_RELATED).defer(*_HEAVY[2:]).filter(pk=task_id).first()
    if task is None:
        raise TaskNotFoundError(f"There is no task {task_id} that you may see.")
    return task


def _assignee(user: User, name: str) -> Q:
    if name == ME:
        return Q(assignee=user)
    try:
        return Q(assignee_id=UUID(name))
    except ValueError:
        return Q(assignee__username=name)
