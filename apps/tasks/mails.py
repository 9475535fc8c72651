"""Mails about tasks: written down as deliveries, in the transaction that gives the reason, and sent as those of executions are."""

from collections.abc import Iterable
from uuid import UUID

from apps.accounts.languages import language_of
from apps.accounts.models import User
from apps.notifications.models import Delivery
from apps.tasks.links import task_link
from apps.tasks.mail_words import WORDS, Words
from apps.tasks.models import Absence, HumanTask
from apps.tasks.rights import hands_before, people_of

MAX_MAILS = 200  # of one occasion


def tell_holders(task: HumanTask, event: str) -> None:
    """Write to those who may do the task, and to those who stand in for them."""
    tell(task, event, task.holders)


def tell(task: HumanTask, event: str, keys: list[str]) -> None:
    """Write to the people whom these keys name, but for those who may not do the task or have done their part."""
    people = people_of(task.workspace_id, keys)
    if event != "task_escalated":
        people -= set(task.voters)
        people -= hands_before(task) if task.four_eyes else set()
    people |= set(_substitutes(task.workspace_id, people))
    found = User.objects.filter(pk__in=people).exclude(email="").order_by("pk")[:MAX_MAILS]
    Delivery.objects.bulk_create(_delivery(task, event, user) for user in found)


def _substitutes(workspace_id: UUID, people: set[UUID]) -> Iterable[UUID]:
    now = Absence.objects.in_force().filter(workspace_id=workspace_id, user_id__in=people)
    return now.values_list("substitute_id", flat=True)


def _delivery(task: HumanTask, event: str, user: User) -> Delivery:
    told = {"id": task.pk, "title": task.title, "node": task.key, "due_at": task.due_at.isoformat() if task.due_at else None}
    words = WORDS[language_of(user)]
    mail = {"subject": words[event].format(task.title), "text": _text(task, user, words)}
    return Delivery(
        workspace_id=task.workspace_id,
        execution_id=task.execution_id,
        event=event,
        channel=Delivery.Channel.EMAIL,
        target=user.email,
        payload={"type": f"human_{event.replace('_', '.', 1)}", "data": {"task": told}, "mail": mail},
    )


def _text(task: HumanTask, user: User, words: Words) -> str:
    due = f"{task.due_at:%Y-%m-%d %H:%M} UTC" if task.due_at else None
    facts = {"task": task.title, "due": due, "answer": task_link(task.pk, user.pk)}
    lines = [words[name].format(value) for name, value in facts.items() if value]
    return "\n".join([*lines, "", *([task.description, ""] if task.description else []), words["link"]]) + "\n"
