"""What a node run came to, as a value."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

OUT = "out"
ERROR = "error"


@dataclass(frozen=True, slots=True)
class NodeError:
    """Why a node run failed; stored as the node run's `error` and shown to people.

    code      stable: `http_status`, `timeout`, `worker_lost`; retry policies name it
    message   one or two sentences: what was found, what was expected
    details   JSON values; no secrets
    retry_after_seconds   the earliest time that the other side asked for, None when it named none
    """

    code: str
    message: str
    details: Mapping[str, Any] = field(default_factory=dict)
    retry_after_seconds: float | None = None

    def as_json(self) -> dict[str, Any]:
        return {"code": self.code, "message": self.message, "details": dict(self.details)}


@dataclass(frozen=True, slots=True)
class Succeeded:
    """The node did its work.

    output      a JSON value
    port        the port whose edges go live
    variables   execution variables to write, by name
    workflow_variables   variables to leave behind for later executions of the workflow, by name
    """

    output: Any = None
    port: str = OUT
    variables: Mapping[str, Any] = field(default_factory=dict)
    workflow_variables: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Failed:
    """The node could not do its work; the retry policy and `on_error` of the node decide what follows.

    is_final   True when another attempt cannot help; no retry then
    """

    error: NodeError
    is_final: bool = False


@dataclass(frozen=True, slots=True)
class Deferred:
    """The node waits, and holds no process while it does.

    Its `resume` is called once: at `until` (UTC-aware), or after `delay_seconds` on the database's clock, or when a signal of this
    name arrives.
    state   JSON value handed to `resume`
    """

    until: datetime | None = None
    delay_seconds: float | None = None
    signal: str | None = None
    state: Any = None


@dataclass(frozen=True, slots=True)
class Iterate:
    """A loop goes on: its body runs once for each item, and the loop waits without a process.

    items      one for each iteration; None: one iteration more, whose item is the output of the one before, and after which the loop's
               `resume` is asked how to go on
    parallel   iterations at a time, at most
    collects   a failed iteration is part of the output, and the others go on; else the first failure ends the loop
    """

    items: Sequence[Any] | None = None
    parallel: int = 1
    collects: bool = False


@dataclass(frozen=True, slots=True)
class Gathered:
    """A loop has ended. Its output is the array of the outputs of its iterations, in order, which nobody has to hold in memory.

    is_last_only   the output is {"count": int, "last": the output of the last iteration} instead
    """

    is_last_only: bool = False


@dataclass(frozen=True, slots=True)
class StartChild:
    """Start another workflow of the workspace, with the settling of this node run, once.

    workflow   its id
    version    number of the version, None for the published one
    waits      the node waits for the end, and is then resumed with the signal {"execution": str, "status": str, "output": any,
               "error": {} | None}; else its output is {"execution": str} at once
    """

    workflow: str
    version: int | None = None
    input: Mapping[str, Any] = field(default_factory=dict)
    waits: bool = True


@dataclass(frozen=True, slots=True)
class AskPeople:
    """Give people of the workspace a task, with the settling of this node run, and wait for what they say.

    task   the resolved config of `human.task`

    The node run is resumed with the signal {"outcome": "completed" | "timeout", "task": int, …}, or with none when the node's
    `timeout_seconds` are over.
    """

    task: Mapping[str, Any]


Outcome = Succeeded | Failed | Deferred | Iterate | Gathered | StartChild | AskPeople
