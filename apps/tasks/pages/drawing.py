"""What the templates of a task's page are given."""

from collections.abc import Iterable, Mapping
from typing import Any

import orjson
from django.http import QueryDict

from apps.accounts.models import User
from apps.engine.errors import ForbiddenError
from apps.tasks.models import HumanTask
from apps.tasks.pages.fields import Field, Form, form_of
from apps.tasks.pages.words import Words
from apps.tasks.rights import may_manage, right_of

MANY = 200  # comments on a page


def task_context(task: HumanTask, user: User, words: Words) -> dict[str, Any]:
    """Everything but the form: what the task is, what was said about it, and what the person may do with it."""
    refusal = why_not(task, user, words) if task.is_open else ""
    is_offered = task.is_open and task.assignee_id is None and not task.needs_votes
    is_mine = task.assignee_id == user.pk
    may_give = task.is_open and not task.needs_votes and (not refusal or may_manage(user, task))
    return {
        "task": task,
        "status": words[f"status_{task.status}"],
        "priority": words[task.get_priority_display().lower()],
        "offered_to": ", ".join(each["name"] for each in task.candidates),
        "refusal": refusal,
        "may_claim": is_offered and not refusal,
        "may_release": task.is_open and task.assignee_id is not None and bool(task.candidates) and (is_mine or may_manage(user, task)),
        "may_delegate": may_give,
        "decisions": [_decision(each, task, words) for each in task.decisions.select_related("user", "voter").order_by("created_at", "id")],
        "comments": task.comments.select_related("user").order_by("created_at", "id")[:MANY],
        "attachments": task.attachments.select_related("user").order_by("created_at", "id"),
    }


def why_not(task: HumanTask, user: User, words: Words) -> str:
    """Why the person may not answer this open task; empty: they may."""
    if task.decisions.filter(user=user).exists():
        return words["already_answered"]
    try:
        right_of(user, task)
    except ForbiddenError as error:
        return words.get(error.code, words["not_allowed"])
    return ""


def form_context(
    task: HumanTask, words: Words, *, data: QueryDict | None = None, faults: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """The form, as it was filled in where it was.

    faults   {pointer: what is wrong with the answer there}; those of no field stand above the form
    """
    faults = faults or {}
    form = form_of(task.form, task.decision)
    drawn = [_drawn(each, words, data, faults) for each in form.fields]
    known = {each["pointer"]: each for each in _all(drawn)}
    placed = {pointer: _nearest(pointer, known) for pointer in faults}
    for pointer, place in placed.items():
        if place is not None and place != pointer:
            known[place]["error"] = " ".join(filter(None, [known[place]["error"], f"{pointer.removeprefix(place)}: {faults[pointer]}"]))
    return {
        "fields": drawn,
        "outcomes": [
            {"index": index, "label": words.get(each.word, each.label), "look": each.look} for index, each in enumerate(form.outcomes)
        ],
        "faulty": [each for each in known.values() if each["error"]],
        "other_faults": [f"{pointer} {text}".strip() for pointer, text in faults.items() if placed[pointer] is None],
    }


def outcome_of(form: Form, data: QueryDict) -> Mapping[str, Any] | None:
    """What the button says that was pressed; None for none of them."""
    pressed = str(data.get("outcome", ""))
    return form.outcomes[int(pressed)].answers if pressed.isdecimal() and int(pressed) < len(form.outcomes) else None


def _nearest(pointer: str, known: Mapping[str, Any]) -> str | None:
    """The field in whose answer this place is."""
    while pointer and pointer not in known:
        pointer = pointer.rpartition("/")[0]
    return pointer if pointer in known else None


def _all(drawn: Iterable[dict[str, Any]]) -> Iterable[dict[str, Any]]:
    for each in drawn:
        yield each
        yield from _all(each["fields"])


def _drawn(each: Field, words: Words, data: QueryDict | None, faults: Mapping[str, str]) -> dict[str, Any]:
    hints = [each.hint, {"lines": words["one_a_line"], "json": words["as_json"]}.get(each.kind, "")]
    return {
        "pointer": each.pointer,
        "kind": each.kind,
        "name": each.name,
        "id": each.id,
        "label": each.label or words["answer"] if each.pointer != "/comments" or each.label else words["comment"],
        "hint": " ".join(filter(None, hints)),
        "is_required": each.is_required,
        "attributes": each.attributes,
        "error": faults.get(each.pointer, ""),
        "value": _text(each) if data is None else data.get(each.name, ""),
        "choices": [
            {"index": str(index), "label": label, "is_chosen": _is_chosen(each, data, index, value)}
            for index, (value, label) in enumerate(each.choices)
        ],
        "is_checked": each.default is True if data is None else each.name in data,
        "fields": [_drawn(inner, words, data, faults) for inner in each.fields],
    }


def _text(each: Field) -> str:
    if each.default is None:
        return ""
    if each.kind == "lines" and isinstance(each.default, list):
        return "\n".join(map(str, each.default))
    return each.default if isinstance(each.default, str) else orjson.dumps(each.default).decode()


def _is_chosen(each: Field, data: QueryDict | None, index: int, value: Any) -> bool:
    if data is not None:
        return str(index) in data.getlist(each.name)
    return value in each.default if isinstance(each.default, list) else each.default is not None and value == each.default


def _decision(each: Any, task: HumanTask, words: Words) -> dict[str, Any]:
    stands_for = each.voter.username if each.voter and each.voter_id != each.user_id else ""
    form = form_of(task.form, task.decision)
    pressed = next((one for one in form.outcomes if one.answers and one.answers.items() <= each.variables.items()), None)
    said = {name: value for name, value in each.variables.items() if pressed is None or name not in pressed.answers}
    answers = [(words["decision"], words.get(pressed.word, pressed.label))] if pressed else []
    answers += _answers(said, form.fields, words)
    return {"by": each.user, "stands_for": stands_for, "approved": each.approved, "at": each.created_at, "answers": answers}


def _answers(values: Mapping[str, Any], fields: Iterable[Field], words: Words) -> list[tuple[str, str]]:
    """(label, text) of each answer, in the order in which they were asked; then of what no field asked, such as the decision."""
    asked = {each.path[-1]: each for each in fields if each.path}
    named = [(each.label or name, _answer(values[name], words, each)) for name, each in asked.items() if name in values]
    return named + [(name, _answer(value, words)) for name, value in values.items() if name not in asked]


def _answer(value: Any, words: Words, field: Field | None = None) -> str:
    if isinstance(value, bool):
        return words["yes" if value else "no"]
    if isinstance(value, list) and not any(isinstance(each, list | dict) for each in value):
        return ", ".join(_answer(each, words, field) for each in value)
    if isinstance(value, dict):
        return "\n".join(f"{label}: {text}" for label, text in _answers(value, field.fields if field else (), words))
    label = next((label for choice, label in field.choices if choice == value), None) if field else None
    return label or (value if isinstance(value, str) else orjson.dumps(value).decode())
