"""Work for a person, and the answer to it."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field

from apps.engine.outcomes import OUT, AskPeople, Failed, NodeError, Outcome, Succeeded
from apps.engine.pointers import pointer_to
from apps.engine.problems import shown
from apps.engine.shapes import input_schema_of, is_json_schema
from apps.engine.validation.schemas import schema_problems
from apps.nodes.builtin.control_wait_until import instant_of
from apps.nodes.contract import Effect, NodeConfig, NodeFailure, NodeType, Ports, RunContext, is_constant
from apps.nodes.registry import register
from apps.nodes.waiting import TIMED_OUT, TIMEOUT

REJECTED = "rejected"
MAX_SECONDS = 10 * 366 * 86_400
MAX_PEOPLE = 100
MAX_STEPS = 10
_PEOPLE = ("assignee", "candidate_users", "candidate_teams", "candidate_roles")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")


class People(NodeConfig):
    assignee: str | None = Field(default=None, title="Assignee", max_length=254)
    """Whose task it is: the username, e-mail address or id of a member of the workspace."""
    candidate_users: list[str] = Field(default=[], title="Candidates", max_length=MAX_PEOPLE)
    """Who may do it, where nobody has been chosen: usernames, e-mail addresses or ids."""
    candidate_teams: list[str] = Field(default=[], title="Teams", max_length=MAX_PEOPLE)
    """Names or ids of teams of the workspace."""
    candidate_roles: list[str] = Field(default=[], title="Roles", max_length=MAX_PEOPLE)
    """Names of roles: `admin`, or one that the workspace made itself."""


class Escalation(People):
    """What happens when nobody has done it in time."""

    after_seconds: float = Field(default=0, title="After the due date", ge=0, le=MAX_SECONDS, allow_inf_nan=False)
    """Seconds after the due date."""
    action: Literal["reassign", "notify", "timeout"] = Field(title="Action")
    """`reassign` gives the task to these people; `notify` sends them a mail; `timeout` ends the task, by the port `timeout`."""


class AtLeast(NodeConfig):
    at_least: int = Field(ge=1, le=1000, title="Number")
    """People who have to agree."""


class HumanTaskConfig(People):
    title: str = Field(title="Title", min_length=1, max_length=500)
    """What is to be done, in one line."""
    description: str = Field(default="", title="Description", max_length=20_000)
    """More about it."""
    form: dict[str, Any] = Field(default={}, title="Form")
    """What is asked: a JSON Schema of the answers, or the short form such as `{"approved": "boolean", "comments": "string?"}`. Empty:
    any answers."""
    keep_answers: bool = Field(default=False, title="Keep the answers")
    """Write the answers to execution variables of the same names as well."""
    decision: str = Field(default="approved", title="Decision", max_length=64)
    """Name of the answer that says yes or no. Whoever answers `false` says no; every other answer is a yes."""
    quorum: Literal["first", "unanimous"] | AtLeast = Field(default="first", title="Quorum")
    """Whose answers decide: those of the `first`; all who are asked (`unanimous`); or a yes of so many, `{"at_least": 2}`."""
    four_eyes: bool = Field(default=False, title="Four eyes")
    """Neither who started the execution nor who has answered another task of it may do this one."""
    priority: Literal["low", "normal", "high", "urgent"] = Field(default="normal", title="Priority")
    """How the task is sorted and shown."""
    due_at: Any = Field(default=None, title="Due at")
    """By when: an instant, as ISO 8601 text with an offset or as seconds since 1970."""
    due_seconds: float | None = Field(default=None, title="Due after", gt=0, le=MAX_SECONDS, allow_inf_nan=False)
    """Or: so many seconds after it was given."""
    reminders: list[float] = Field(default=[], title="Reminders", max_length=MAX_STEPS)
    """How many seconds before the due date a mail reminds of it."""
    escalations: list[Escalation] = Field(default=[], title="Escalations", max_length=MAX_STEPS)
    """What happens when it is overdue, each once."""
    notify: bool = Field(default=True, title="Tell by mail")
    """Send a mail to those whose task it is, with a link that works for each of them alone."""


@register
class HumanTask(NodeType[HumanTaskConfig]):
    """Give people a task and wait for their answer; the output is {"outcome", "task", "approved", "variables", "decisions"}.

    `variables` holds the answers, `approved` whether the decision was a yes, `decisions` who answered what and when. A no leaves by
    the port `rejected` where an edge leaves it, else by `out`. A waiting task holds no process, and outlives every restart.
    """

    name = "human.task"
    title = "Human task"
    category = "people"
    icon = "user-check"
    effect = Effect.PURE  # the task is recorded in one commit with the node run: there is no telling of one without the other
    brief = True
    asks_people = True
    errors: ClassVar = {
        "nobody_to_ask": "the expressions for the people gave nobody",
        "no_such_person": "somebody, a team or a role is not part of the workspace; `details` has the names",
        "quorum_out_of_reach": "fewer people are asked than have to agree",
        "invalid_form": "`form` is no JSON Schema",
        "invalid_instant": "`due_at` is no instant, or has no offset",
        TIMED_OUT: "nobody answered in time, and no edge leaves the port `timeout`",
    }
    example: ClassVar = {
        "title": "Approve order ${input.order_id}",
        "candidate_roles": ["admin"],
        "form": {"approved": "boolean", "comments": "string?"},
        "due_seconds": 7200,
        "escalations": [{"action": "reassign", "candidate_roles": ["owner"]}],
    }
    Config: ClassVar = HumanTaskConfig

    def ports(self, config: Mapping[str, Any]) -> Ports:
        return Ports((OUT, REJECTED, TIMEOUT))

    def check(self, config: Mapping[str, Any]) -> list[tuple[str, str]]:
        return [*_people_faults(config), *_form_faults(config.get("form")), *_time_faults(config)]

    def writes(self, config: Mapping[str, Any]) -> tuple[str, ...]:
        return tuple(_answer_names(config.get("form"))) if config.get("keep_answers") else ()

    def run(self, config: HumanTaskConfig, context: RunContext) -> Outcome:
        if faults := [*_schema_faults(config.form)]:
            raise NodeFailure("invalid_form", f"The form is no JSON Schema: {faults[0][1]} (at '{faults[0][0]}')", is_final=True)
        form = input_schema_of(config.form) if config.form else {}
        due_at = None if config.due_at is None else instant_of(config.due_at).isoformat()
        return AskPeople({**config.model_dump(mode="json"), "form": form, "due_at": due_at})

    def resume(self, config: HumanTaskConfig, context: RunContext) -> Outcome:
        signal: Mapping[str, Any] = context.signal or {"outcome": TIMEOUT, "task": None}
        if signal["outcome"] == TIMEOUT:
            if TIMEOUT in context.connected_ports:
                return Succeeded(signal, port=TIMEOUT)
            return Failed(NodeError(TIMED_OUT, "Nobody answered in time.", {"task": signal["task"]}), is_final=True)
        port = REJECTED if signal["approved"] is False and REJECTED in context.connected_ports else OUT
        return Succeeded(signal, port=port, variables=_kept(signal["variables"]) if config.keep_answers else {})


def _people_faults(config: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if not any(config.get(name) for name in _PEOPLE):
        yield "", f"Expected somebody to ask: one of {', '.join(_PEOPLE)}."
    if config.get("assignee") and config.get("quorum", "first") != "first":
        yield "/assignee", "Not together with a quorum: the task of one person is decided by that person."
    escalations = config.get("escalations")
    for index, each in enumerate(escalations if isinstance(escalations, list) else []):
        if not isinstance(each, Mapping):
            continue
        named = [name for name in _PEOPLE if each.get(name)]
        if each.get("action") == "reassign" and not named:
            yield f"/escalations/{index}", "Expected somebody to give the task to."
        if each.get("action") == "timeout" and named:
            yield f"/escalations/{index}/{named[0]}", "Has no effect: with `timeout` the task is nobody's any more."
        if each.get("action") == "reassign" and each.get("assignee") and config.get("quorum", "first") != "first":
            yield f"/escalations/{index}/assignee", "Not together with a quorum: the task of one person is decided by that person."


def _form_faults(form: Any) -> Iterator[tuple[str, str]]:
    if isinstance(form, Mapping) and is_constant(form):
        yield from _schema_faults(form)


def _schema_faults(form: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if not form:
        return
    if not is_json_schema(form) and (odd := next((name for name, word in form.items() if not isinstance(word, str)), None)) is not None:
        yield (
            pointer_to("form", odd),
            f"Expected a type such as 'boolean' or 'string?', or a JSON Schema as the whole, found {shown(form[odd])}.",
        )
        return
    schema = input_schema_of(form)
    if schema.get("type", "object") != "object":
        yield "/form/type", f"Answers are an object, found a schema of {shown(schema['type'])}."
    for problem in schema_problems(schema, "form"):
        yield problem.pointer, problem.message


def _time_faults(config: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if config.get("due_at") is not None and config.get("due_seconds") is not None:
        yield "/due_seconds", "Expected 'due_at' or 'due_seconds', found both."
    if config.get("due_at") is None and config.get("due_seconds") is None:
        for name in ("reminders", "escalations"):
            if config.get(name):
                yield f"/{name}", "Has no effect without 'due_at' or 'due_seconds'."
    if config.get("due_at") is not None and is_constant(config["due_at"]):
        try:
            instant_of(config["due_at"])
        except NodeFailure as failure:
            yield "/due_at", str(failure)
    reminders = config.get("reminders")
    for index, seconds in enumerate(reminders if isinstance(reminders, list) else []):
        if isinstance(seconds, int | float) and not 0 < seconds <= MAX_SECONDS:
            yield f"/reminders/{index}", f"Expected seconds over 0, up to {MAX_SECONDS}, found {shown(seconds)}."


def _answer_names(form: Any) -> Iterator[str]:
    if isinstance(form, Mapping) and form and not any(_schema_faults(form)):
        yield from (name for name in input_schema_of(form).get("properties", {}) if _NAME.fullmatch(name))


def _kept(answers: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in answers.items() if _NAME.fullmatch(name)}
