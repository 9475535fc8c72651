"""Inboxes as they change: who is told that there is something to look at, and what there is.

A hint goes to the keys that hold a task, never to people: one message for a role of a thousand. What changed, whoever watches reads
for themselves, and looks every few seconds in any case: a hint may be lost, and none is sent where an execution is cancelled.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import BooleanField, ExpressionWrapper, Q, TextField
from django.db.models.expressions import RawSQL
from django.db.models.functions import Now

from apps.accounts.models import User
from apps.accounts.permissions import Permission
from apps.engine.waits import HUMAN_TASK
from apps.realtime.announce import announce_inboxes
from apps.tasks.keys import keys_of
from apps.tasks.models import HumanTask
from apps.tasks.queries import MAX_COUNTED

Stamp = Sequence[tuple[Any, ...]]


def tell_inboxes(*holders: Iterable[str]) -> None:
    """Once this transaction is committed, tell those whose inboxes hold what these keys hold."""
    keys = {key for each in holders for key in each}
    transaction.on_commit(lambda: announce_inboxes(keys), robust=True)


def announce_asked(documents: Iterable[Mapping[str, Any]], applied: Iterable[bool]) -> None:
    """Tell of the tasks that these settlements have made."""
    for document, is_applied in zip(documents, applied, strict=True):
        if is_applied:
            for row in document["rows"]:
                if row.get("waits_for") == HUMAN_TASK:
                    announce_inboxes(row["state"]["holders"])


@dataclass(frozen=True, slots=True)
class Look:
    """What an inbox is told by, and what it holds.

    keys    what the person is called now
    stamp   differs from an earlier one where the inbox has changed since
    """

    keys: frozenset[str]
    stamp: Stamp


def look(user: User) -> Look | None:
    """A glance at somebody's inbox, in two short statements; None for who may work on no tasks anywhere."""
    if not user.access.is_operator and not user.access.workspaces_with(Permission.TASK_WORK):
        return None
    keys = keys_of(user)
    newest = HumanTask.objects.visible_to(user).open_for(keys).order_by("-id")
    # A row has another xmin after each change of it.
    version = RawSQL('"human_task"."xmin"::text', (), output_field=TextField())
    is_overdue = ExpressionWrapper(Q(due_at__isnull=False, due_at__lt=Now()), output_field=BooleanField())
    stamp = newest.annotate(version=version, is_overdue=is_overdue).values_list("pk", "version", "is_overdue")[:MAX_COUNTED]
    return Look(frozenset({*keys.own, *(key for _, key in keys.stand_in)}), list(stamp))
