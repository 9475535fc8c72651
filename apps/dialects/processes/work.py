"""Steps that do something: services, people, and every node type by its own name."""

from typing import Any, ClassVar

from pydantic import Field

from apps.dialects.processes.drafting import PlacedStep, Service
from apps.dialects.processes.element import AnyConfig, Element, Process
from apps.dialects.processes.form import Duration
from apps.engine.definition import Key, Part
from apps.engine.problems import listed, nearest
from apps.engine.shapes import input_schema_of

INITIATOR = "initiator"
ASSIGNED_TO_INITIATOR = "${input.?initiator.orValue(null)}"
PEOPLE = ("assignee", "candidate_users", "candidate_teams", "candidate_roles")
# What the task list of the vocabulary answers with, unless a task says what it asks.
DEFAULT_FORM = {"approved": "boolean?", "comments": "string?"}
# Functions run in processes of their own, where one that crashes harms no other node.
FUNCTIONS_QUEUE = "code"
_STARTERS = ("current_user", INITIATOR)


class ServiceConfig(Part):
    service_name: str = Field(min_length=1, max_length=128)
    """Name of a registered service."""
    method: str = Field(min_length=1, max_length=128)
    """What to ask it to do."""
    timeout: Duration | None = None
    """For how long it may take: "30s"."""
    arguments: dict[str, Any] | None = None
    """What it is called with; all declared variables where it is missing."""
    result_variable: Key | None = None
    """Process variable that its answer is written to."""


class ServiceTask(Element[ServiceConfig]):
    """`service_task`: one node `service.call`."""

    Config: ClassVar = ServiceConfig

    def add(self, step: PlacedStep, config: ServiceConfig, process: Process) -> None:
        draft, service = process.draft, process.services.get(config.service_name)
        if service is None:
            _unknown_service(step, config.service_name, process)
        elif service.methods is not None and config.method not in service.methods:
            message = f"Service '{service.name}' has no method '{config.method}'; it has {listed(service.methods) or 'none'}."
            near = nearest(config.method, service.methods)
            draft.fault(step.at("config", "method"), message, found=config.method, expected="a method of the service", suggestion=near)
        timeout = None if config.timeout is None else draft.seconds(config.timeout, step.at("config", "timeout"))
        if config.result_variable:
            draft.variables.setdefault(config.result_variable, None)
        call = {"service_name": config.service_name, "method": config.method, "arguments": _arguments(config, service, process)}
        result = {} if config.result_variable is None else {"result_variable": config.result_variable}
        fields: dict[str, Any] = {} if timeout is None else {"timeout_seconds": timeout}
        if service is not None and service.is_function and step.form.queue is None:
            fields["queue"] = FUNCTIONS_QUEUE
        draft.step_node(step, "service.call", {**call, **result}, **fields)
        self.lead_on(step, process)


def _unknown_service(step: PlacedStep, name: str, process: Process) -> None:
    known = list(process.services)
    message = f"The workspace has no service '{name}'. Register it at /api/v1/services."
    process.draft.fault(
        step.at("config", "service_name"),
        message,
        found=name,
        expected=f"one of {listed(known)}" if known else "a registered service",
        suggestion=nearest(name, known),
    )


def _arguments(config: ServiceConfig, service: Service | None, process: Process) -> dict[str, Any]:
    if config.arguments is not None:
        return config.arguments
    values = process.values()
    taken = service.parameters.get(config.method) if service else None
    return values if taken is None else {name: value for name, value in values.items() if name in taken}


class UserTask(Element[AnyConfig]):
    """`user_task`: one node `human.task`, whose answers become process variables."""

    Config: ClassVar = None

    def add(self, step: PlacedStep, config: Any, process: Process) -> None:
        given = dict(step.form.config)
        due = given.pop("due", None)
        task = {"title": step.form.name or step.id, "form": DEFAULT_FORM, "keep_answers": True, **_people(given), **given}
        if task.get("assignee") in _STARTERS:
            task["assignee"] = ASSIGNED_TO_INITIATOR
        if due is not None and (seconds := process.draft.seconds(due, step.at("config", "due"))) is not None:
            task["due_seconds"] = seconds
        process.draft.step_node(step, "human.task", task)
        self.lead_on(step, process)


def _people(config: dict[str, Any]) -> dict[str, Any]:
    """Whose task it is where nobody is named: whoever started the process, else the owners of the workspace."""
    if any(config.get(name) for name in PEOPLE):
        return {}
    return {"assignee": ASSIGNED_TO_INITIATOR, "candidate_roles": ["owner"]}


def answers_of(config: dict[str, Any]) -> list[str]:
    """Names of the process variables that a user task with this config writes."""
    form = config.get("form", DEFAULT_FORM)
    if not config.get("keep_answers", True) or not isinstance(form, dict) or not form:
        return []
    properties = input_schema_of(form).get("properties")
    return list(properties) if isinstance(properties, dict) else []


class NodeStep(Element[AnyConfig]):
    """Every other node type, by its own name."""

    Config: ClassVar = None

    def add(self, step: PlacedStep, config: Any, process: Process) -> None:
        process.draft.step_node(step, step.form.type, step.form.config)
        self.lead_on(step, process)
