"""What a node type is: a class with a name, a config model and `run`."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, ClassVar, Generic, TypeVar

from pydantic import BaseModel, ConfigDict

from apps.engine.outcomes import OUT, Failed, NodeError, Outcome
from apps.nodes.credentials import DEFAULT_SLOT, CredentialSlot, HeldCredential
from apps.nodes.redaction import NO_SECRETS, Redactor


class Effect(StrEnum):
    """What a node does to the world, and so whether it may be run twice.

    PURE         nothing: it may ride along in the task that made it ready
    IDEMPOTENT   running it twice is the same as once
    EXTERNAL     it may have happened when its worker died: then a person decides
    """

    PURE = "pure"
    IDEMPOTENT = "idempotent"
    EXTERNAL = "external"


class NodeConfig(BaseModel):
    """Base of every config model: unknown keys are refused, titles and help come from the fields."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


def is_constant(value: object) -> bool:
    """Whether a value of a raw config holds no `${…}`, and so is known before the node runs."""
    if isinstance(value, str):
        return "${" not in value
    inner = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
    return all(map(is_constant, inner))


ConfigT = TypeVar("ConfigT", bound=NodeConfig)


@dataclass(frozen=True, slots=True)
class Ports:
    """Named ways out of a node. Every node also has `error`, unless `can_fail` is False.

    outputs   port names in the order in which the editor draws them
    """

    outputs: tuple[str, ...] = (OUT,)
    can_fail: bool = True


@dataclass(slots=True)
class RunContext:
    """What a node run may know and ask for while it runs.

    execution_id, key, path, attempt   which node run this is; attempt counts from 1
    idempotency_key   the same for every attempt of this node run; send it to the other side
    timeout_seconds   what is left for this attempt, None without a limit
    input             input of the execution
    upstream          {node key: output} of the direct predecessors that ran, in the order of the edges; empty unless `reads_upstream`
    iterations        of a loop: how many of its iterations have begun
    state             what `Deferred.state` held; None on a first run
    signal            payload of the signal that woke the node run, None when its time came
    credentials       {slot: credential} that the node names, open for this node run; they share one redactor
    connected_ports   ports that an edge leaves from
    starts_by_hand    the workflow has a `trigger.manual`: that is the trigger that is meant where nothing says which
    depth             executions that led to this one; a node that may start others over HTTP says one more in the header of `core.depth`
    """

    execution_id: str
    workspace_id: str
    key: str
    path: str = ""
    attempt: int = 1
    idempotency_key: str = ""
    timeout_seconds: float | None = None
    input: Any = None
    inputs_schema: Mapping[str, Any] | None = None
    upstream: Mapping[str, Any] = field(default_factory=dict)
    iterations: int = 0
    state: Any = None
    signal: Any = None
    connected_ports: frozenset[str] = frozenset()
    starts_by_hand: bool = False
    depth: int = 0
    settings: Mapping[str, Any] = field(default_factory=dict)
    credentials: Mapping[str, HeldCredential] = field(default_factory=dict)
    _cancelled: threading.Event = field(default_factory=threading.Event)
    _on_cancel: list[Callable[[], None]] = field(default_factory=list)

    def credential(self, slot: str = DEFAULT_SLOT) -> HeldCredential | None:
        """The credential that the node names in a slot, None where it names none."""
        return self.credentials.get(slot)

    @property
    def redactor(self) -> Redactor:
        """Takes the secrets of this node run out of a text. Whoever shortens one does it afterwards."""
        return next((credential.redactor for credential in self.credentials.values()), NO_SECRETS)

    @property
    def is_cancelled(self) -> bool:
        return self._cancelled.is_set()

    def on_cancel(self, callback: Callable[[], None]) -> None:
        """Have `callback` called, from another thread, when the node run must stop: close the socket, kill the child."""
        self._on_cancel.append(callback)
        if self._cancelled.is_set():
            callback()

    def cancel(self) -> None:
        """Ask the node run to stop."""
        self._cancelled.set()
        for callback in self._on_cancel:
            callback()


class NodeFailure(Exception):  # noqa: N818  # no fault of the program: it is how a node says that it failed
    """Raised anywhere inside a node to say how it failed; `perform` makes it the outcome `Failed`.

    code                  stable, for retry policies
    retry_after_seconds   the earliest time that another attempt makes sense, None when unknown
    is_final              True when another attempt cannot help
    details               JSON values; no secrets
    """

    def __init__(
        self, code: str, message: str, /, *, retry_after_seconds: float | None = None, is_final: bool = False, **details: Any
    ) -> None:
        super().__init__(message)
        self.outcome = Failed(NodeError(code, message, details, retry_after_seconds), is_final=is_final)


class NodeType(Generic[ConfigT]):
    """What a node does, by registered name. The first line of the docstring is its description in the editor.

    name             `category.verb`, stable for ever; a changed meaning is a new `version`
    icon             a name of the editor's icon set
    brief            True when it always returns within milliseconds, so that several may share one message
    reads_upstream   True when `run` needs `context.upstream`
    verbatim         config fields whose text is taken as it is: no `${…}` in it is resolved
    credentials      {slot: what fits there}: places for credentials, by name
    opens_credentials   False when `run` needs none of them: somebody else reads them, before there is an execution
    is_loop          True when other nodes are its body: `run` returns Iterate, and Gathered at the end
    binds_item       True when its own config may read `item`, the output of the iteration before, and `index`, how many there were
    asks_people      True when people answer: their answer is neither cached, nor edited afterwards
    errors           {code: when it fails with this code}, beside those of every node
    example          a config that works, for the docs and the editor
    """

    name: ClassVar[str]
    version: ClassVar[int] = 1
    title: ClassVar[str]
    category: ClassVar[str]
    icon: ClassVar[str]
    effect: ClassVar[Effect]
    queue: ClassVar[str] = "default"
    brief: ClassVar[bool] = False
    reads_upstream: ClassVar[bool] = False
    verbatim: ClassVar[frozenset[str]] = frozenset()
    credentials: ClassVar[Mapping[str, CredentialSlot]] = {}
    opens_credentials: ClassVar[bool] = True
    is_loop: ClassVar[bool] = False
    binds_item: ClassVar[bool] = False
    asks_people: ClassVar[bool] = False
    errors: ClassVar[Mapping[str, str]] = {}
    example: ClassVar[Mapping[str, Any]] = {}
    Config: ClassVar[type[NodeConfig]]

    def ports(self, config: Mapping[str, Any]) -> Ports:
        """Ports of a node with this raw config (expressions not yet resolved)."""
        return Ports()

    def check(self, config: Mapping[str, Any]) -> list[tuple[str, str]]:
        """Faults of a raw config that fits the config model, but is wrong all the same: (JSON pointer inside the config, sentence).

        Expressions are not yet resolved: `is_constant` tells a value that is already known.
        """
        return []

    def effect_of(self, config: Mapping[str, Any]) -> Effect:
        """The effect of a node with this raw config; a GET is milder than a POST."""
        return self.effect

    def writes(self, config: Mapping[str, Any]) -> tuple[str, ...]:
        """Names of the execution variables that a node with this raw config writes."""
        return ()

    def queue_of(self, config: Mapping[str, Any]) -> str:
        return self.queue

    def call_of(self, config: Mapping[str, Any]) -> tuple[str, int | None] | None:
        """(id of a workflow, number of its version or None) that a node with this raw config starts; None where it starts none."""
        return None

    def is_brief(self, config: Mapping[str, Any]) -> bool:
        return self.brief

    def run(self, config: ConfigT, context: RunContext) -> Outcome:
        raise NotImplementedError

    def resume(self, config: ConfigT, context: RunContext) -> Outcome:
        """Go on after a Deferred; `context.state` and `context.signal` say from where."""
        raise NotImplementedError
