"""The definition of a workflow: the document that people write, as frozen models.

The JSON Schema that editors and documentation use is derived from these models by `definition_schema`.
"""

from functools import cached_property
from typing import Annotated, Any, Literal

import orjson
from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag, ValidationError, model_validator

from apps.engine.json_values import InvalidJsonError, check_json
from apps.engine.outcomes import OUT
from apps.engine.problems import InvalidDefinitionError, Problem, problems_of
from apps.engine.shapes import input_schema_of, input_shape_problems, is_declaration, variable_problems

MAX_NODES = 10_000
MAX_EDGES = 100_000
MAX_SECONDS = 366 * 24 * 3600
MAX_SLOTS = 10
MAX_CONCURRENCY = 1_000_000
KEY_PATTERN = r"^[A-Za-z_][A-Za-z0-9_]{0,63}$"
ID_PATTERN = r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"

Key = Annotated[str, Field(pattern=KEY_PATTERN)]
Id = Annotated[str, Field(pattern=ID_PATTERN)]
Port = Annotated[str, Field(min_length=1, max_length=64)]
Queue = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
Seconds = Annotated[float, Field(gt=0, le=MAX_SECONDS)]
# `retrying`: it failed, and is tried again as another execution. `compensation_failed`: not everything could be undone.
Event = Literal["success", "failed", "cancelled", "retrying", "compensation_failed"]
EmailAddress = Annotated[str, Field(pattern=r"^[^@\s,;<>\"]+@[^@\s,;<>\"]+\.[^@\s,;<>\".]+$", max_length=254)]


class Part(BaseModel):
    """Base of every part: frozen, strict about types, and closed to unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True, allow_inf_nan=False)


class AtLeast(Part):
    """Start at the n-th live in-edge."""

    at_least: int = Field(ge=1, le=MAX_EDGES)
    """How many in-edges must be live."""


class DefaultOutput(Part):
    """When the node fails, go on from port `out` with this value."""

    default: Any
    """The output in place of the missing one; any JSON value."""


class Retry(Part):
    """How often a failed node is tried again, and after what delay."""

    max_attempts: int = Field(default=3, ge=1, le=100)
    """Attempts in all, the first included."""
    strategy: Literal["fixed", "exponential"] = "exponential"
    """The same delay each time, or twice the one before."""
    delay_seconds: float = Field(default=1.0, ge=0, le=MAX_SECONDS)
    """Delay before the second attempt."""
    max_delay_seconds: float = Field(default=300.0, ge=0, le=MAX_SECONDS)
    """No delay is longer than this."""
    jitter: float = Field(default=0.1, ge=0, le=1)
    """Share of the delay that is random, so that many nodes do not come back at the same instant."""
    on: tuple[Annotated[str, Field(min_length=1, max_length=64)], ...] = Field(default=(), max_length=50)
    """Error codes that are tried again; empty means all."""


class Cache(Part):
    """Take the output of an earlier run with the same resolved config, in place of running again."""

    ttl_seconds: int = Field(ge=1, le=MAX_SECONDS)
    """For how long an output may be taken."""
    key: str | None = Field(default=None, min_length=1, max_length=1000)
    """Text with expressions; outputs are only shared between runs for which it is the same, such as ${input.day}."""


class Position(Part):
    """Where the editor draws the node."""

    x: float
    y: float


def _object_or_name(value: object) -> str:
    return "<object>" if isinstance(value, dict | Part) else "<name>"


def _abort_means_fail(value: object) -> object:
    return "fail" if value == "abort" else value


Join = Annotated[
    Annotated[Literal["all", "any", "all_settled"], Tag("<name>")] | Annotated[AtLeast, Tag("<object>")], Discriminator(_object_or_name)
]
OnError = Annotated[
    Annotated[Literal["fail", "continue", "skip", "retry"], BeforeValidator(_abort_means_fail), Tag("<name>")]
    | Annotated[DefaultOutput, Tag("<object>")],
    Discriminator(_object_or_name),
]


class Node(Part):
    """One box of the graph: what it does, and what happens when that fails."""

    key: Key
    """Its id, unique in the definition; expressions read its output as nodes.<key>."""
    type: str = Field(min_length=1, max_length=128)
    """Registered name of the node type, such as http.request."""
    name: str = Field(default="", max_length=128)
    """What people read; the key where it is empty."""
    config: dict[str, Any] = Field(default_factory=dict)
    """Settings of the node type. Texts may hold expressions: ${ … }."""
    credentials: dict[Key, Id] = Field(default_factory=dict, max_length=MAX_SLOTS)
    """{slot of the node type: id of a credential}; most types have one slot, `default`. No expressions."""
    parent: Key | None = None
    """Key of the loop whose body it belongs to; without it: of none."""
    join: Join = "all"
    """How many in-edges it waits for."""
    cancel_rest: bool = False
    """With `join: any` or `at_least`: once it starts, what has not ended on the ways that lead to it alone is cancelled."""
    retry: Retry | None = None
    """Further attempts after a failure."""
    timeout_seconds: Seconds | None = None
    """Limit of one attempt."""
    on_error: OnError = "fail"
    """What follows a failure once the attempts are spent. `retry` is `fail` with the default retry policy. `abort` is read as `fail`."""
    on_worker_lost: Literal["rerun", "ask", "fail"] | None = None
    """What follows when its worker died in the middle; without it: ask where the node has an outside effect, else rerun."""
    cache: Cache | None = None
    """Reuse of outputs within the workspace, for nodes without outside effects."""
    queue: Queue | None = None
    """Fleet that runs it, in place of the one of its node type."""
    disabled: bool = False
    """A disabled node is passed over."""
    compensate: Key | None = None
    """Key of the node that undoes this one when the execution fails or is cancelled."""
    notes: str = Field(default="", max_length=10_000)
    """Words for readers; without effect."""
    position: Position | None = None
    """Where the editor draws it; without effect."""

    @model_validator(mode="after")
    def _retry_by_default_policy(self) -> "Node":
        if self.on_error == "retry" and self.retry is None:
            self.__dict__["retry"] = Retry()
        return self


class Edge(Part):
    """A line from a port of one node to another node."""

    source: Key
    """Key of the node that it leaves."""
    port: Port = OUT
    """Port that it leaves from."""
    target: Key
    """Key of the node that it leads to."""


class ByEmail(Part):
    """Write to people when an execution comes to one of these ends."""

    on: Annotated[tuple[Event, ...], Field(max_length=5)]
    """Which ends."""
    email: Annotated[tuple[EmailAddress, ...], Field(max_length=20)]
    """Addresses."""


class ByWebhook(Part):
    """Call a URL when an execution comes to one of these ends; signed with the key of the workspace."""

    on: Annotated[tuple[Event, ...], Field(max_length=5)]
    """Which ends."""
    webhook: str = Field(pattern=r"^https?://[^\s]+$", max_length=2000)
    """URL that takes a POST."""


def _email_or_webhook(value: object) -> str:
    is_webhook = "webhook" in value if isinstance(value, dict) else isinstance(value, ByWebhook)
    return "<webhook>" if is_webhook else "<email>"


Notification = Annotated[Annotated[ByEmail, Tag("<email>")] | Annotated[ByWebhook, Tag("<webhook>")], Discriminator(_email_or_webhook)]


class Settings(Part):
    """What holds for the whole execution."""

    timeout_seconds: Seconds | None = None
    """Limit of the execution."""
    on_error: Literal["fail", "continue"] = "fail"
    """The `on_error` of every node that names none of its own."""
    priority: Literal["high", "normal"] | None = None
    """Queue of its nodes; without it: high for starts by people, normal for the rest."""
    retry: Retry | None = None
    """Further executions from the start after a failed one. `max_attempts` counts executions; `on` names codes of the execution's error."""
    error_workflow: str | None = Field(default=None, pattern=ID_PATTERN)
    """Id of a workflow of the same workspace that is started with the failure as its input."""
    notify: tuple[Notification, ...] = Field(default=(), max_length=20)
    """Whom to tell about ends."""
    queue: Queue | None = None
    """Fleet that runs its nodes, in place of those of their types; a node's own `queue` goes before it."""
    max_concurrency: int | None = Field(default=None, ge=1, le=MAX_CONCURRENCY)
    """Executions of the workflow at a time; further ones wait in line."""
    concurrency_key: str | None = Field(default=None, min_length=1, max_length=1000)
    """Expression over `input`, `vars` and `env`: `max_concurrency` then counts for each of its values alone. None or "": no limit."""


class Definition(Part):
    """One workflow as a document: its input, its nodes, the edges between them, its output."""

    schema_version: Literal[1] = Field(default=1, alias="schema")
    """Version of this format."""
    name: str = Field(min_length=1, max_length=128)
    """What people call it."""
    description: str = Field(default="", max_length=10_000)
    """What it is for."""
    version: str | None = Field(default=None, max_length=64)
    """The author's own label, such as 1.0.0."""
    inputs: dict[str, Any] = Field(default_factory=dict)
    """JSON Schema of the input, or the short form {name: "string" | "number" | "boolean" | "object" | "array"}; "string?" is optional."""
    variables: dict[Key, Any] = Field(default_factory=dict)
    """{name: first value, or {"type": str, "default": any}}."""
    nodes: tuple[Node, ...] = Field(max_length=MAX_NODES)
    """The boxes."""
    edges: tuple[Edge, ...] = Field(default=(), max_length=MAX_EDGES)
    """The lines."""
    output: dict[str, Any] = Field(default_factory=dict)
    """{name: expression}: the output of the execution."""
    settings: Settings = Settings()
    """Limits and defaults of the execution."""

    @model_validator(mode="after")
    def _settings_reach_the_nodes(self) -> "Definition":
        if self.settings.on_error != "fail":
            for node in self.nodes:
                if "on_error" not in node.model_fields_set:
                    node.__dict__["on_error"] = self.settings.on_error
        return self

    @cached_property
    def input_schema(self) -> dict[str, Any]:
        """JSON Schema of the input, whichever form was written."""
        return input_schema_of(self.inputs)

    @cached_property
    def initial_variables(self) -> dict[str, Any]:
        """{name: value at the start}."""
        return {name: value.get("default") if is_declaration(value) else value for name, value in self.variables.items()}


def parse_definition(data: object) -> Definition:
    """Read a definition. What needs node types and the graph is `validation.validate`'s to check.

    Raises InvalidDefinitionError: details {"errors": [{"pointer", "message", "found", "expected", "suggestion"}]}.
    """
    try:
        check_json(data)
    except InvalidJsonError as error:
        raise InvalidDefinitionError([Problem(error.pointer, error.message, expected="a JSON value")]) from error
    try:
        definition = Definition.model_validate_json(orjson.dumps(data))
    except ValidationError as error:
        raise InvalidDefinitionError(problems_of(error, Definition, data)) from error
    if problems := [*input_shape_problems(definition.inputs), *variable_problems(definition.variables)]:
        raise InvalidDefinitionError(problems)
    return definition


def definition_schema() -> dict[str, Any]:
    """JSON Schema of the document, with titles and help."""
    return Definition.model_json_schema(by_alias=True)
