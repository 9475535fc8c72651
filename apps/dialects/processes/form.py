"""The form of a process definition: steps that name what comes next."""

from typing import Annotated, Any, Literal

import orjson
from pydantic import BeforeValidator, Field, ValidationError

from apps.engine.definition import MAX_NODES, Join, Key, OnError, Part, Port, Position, Queue, Retry
from apps.engine.json_values import InvalidJsonError, check_json
from apps.engine.problems import InvalidDefinitionError, Problem, problem_of

# A definition has at most 10,000 nodes, and a gateway becomes several.
MAX_STEPS = MAX_NODES // 4


def _listed(value: object) -> object:
    return (value,) if isinstance(value, str) else tuple(value) if isinstance(value, list) else value


Next = Annotated[tuple[Key, ...], BeforeValidator(_listed), Field(max_length=1000)]
Duration = str | float


class Step(Part):
    """One step: what it does, and which steps come next."""

    id: Key | None = None
    """What others name it by; its type where it is missing."""
    name: str = Field(default="", max_length=128)
    """What people read."""
    type: str = Field(min_length=1, max_length=128)
    """An element such as service_task, or a node type such as http.request."""
    config: dict[str, Any] = Field(default_factory=dict)
    """What the element or node type asks for."""
    next: Next = ()
    """Ids of the steps that come next, all of them."""
    ports: dict[Port, Next] = Field(default_factory=dict)
    """Steps that come next by another way out, such as `error`, `rejected` or `timeout`."""
    join: Join | None = None
    """How many of the ways that lead here it waits for; `all` where it is missing."""
    retry: Retry | None = None
    """Further attempts after a failure."""
    on_error: OnError | None = None
    """What follows a failure."""
    on_worker_lost: Literal["rerun", "ask", "fail"] | None = None
    """What follows when its worker died in the middle."""
    timeout_seconds: float | None = None
    """Limit of one attempt; `config.timeout` of a service task goes before it."""
    credentials: dict[str, str] = Field(default_factory=dict)
    """{slot: id of a credential}, for node types that take one."""
    queue: Queue | None = None
    """Fleet that runs it."""
    disabled: bool = False
    """It is passed over."""
    notes: str = Field(default="", max_length=10_000)
    """Words for readers."""
    position: Position | None = None
    """Where the editor draws it."""


class ProcessForm(Part):
    """A process definition."""

    name: str = Field(min_length=1, max_length=128)
    """What people call it."""
    description: str = Field(default="", max_length=10_000)
    """What it is for."""
    version: str | None = Field(default=None, max_length=64)
    """The author's own label, such as 1.0.0."""
    variables: dict[Key, str] = Field(default_factory=dict, max_length=1000)
    """{name: "string" | "number" | "boolean" | "object" | "array"}; with a "?" it may be missing at the start."""
    steps: tuple[Step, ...] = Field(min_length=1, max_length=MAX_STEPS)
    """The steps; those that no other names are where it begins."""


def form_problems(error: ValidationError, kind: type[Part], data: object, *, base: str = "") -> list[Problem]:
    """As `problems_of`, without those of arrays that are only too short because a fault in them was told already."""
    errors = error.errors(include_url=False)
    told = [each for each in errors if not (each["type"] == "too_short" and len(each["input"]) >= each["ctx"]["min_length"])]
    return [problem_of(each, kind, data, base=base) for each in told]


def parse_form(data: object) -> ProcessForm:
    """Raises InvalidDefinitionError, with pointers into the form."""
    try:
        check_json(data)
    except InvalidJsonError as error:
        raise InvalidDefinitionError([Problem(error.pointer, error.message, expected="a JSON value")]) from error
    try:
        return ProcessForm.model_validate_json(orjson.dumps(data))
    except ValidationError as error:
        raise InvalidDefinitionError(form_problems(error, ProcessForm, data)) from error
