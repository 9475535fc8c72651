"""What the nodes have in common that wait for somebody else, for so long at most."""

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from apps.engine.outcomes import OUT, Failed, NodeError, Outcome, Succeeded
from apps.nodes.contract import ConfigT, Effect, NodeConfig, NodeType, Ports, RunContext

TIMEOUT = "timeout"
TIMED_OUT = "wait_timed_out"
MAX_SECONDS = 366 * 86_400
ERRORS = {TIMED_OUT: "nothing came within `timeout_seconds`, and no edge leaves the port `timeout`"}


class WaitConfig(NodeConfig):
    timeout_seconds: float | None = Field(default=None, title="Time limit", gt=0, le=MAX_SECONDS, allow_inf_nan=False)
    """How many seconds it waits at most, up to 366 days. Afterwards it goes on by the port `timeout`, or fails where no edge leaves it."""


class WaitNode(NodeType[ConfigT]):
    """A node that waits without a process until somebody wakes it."""

    category = "control"
    effect = Effect.PURE
    brief = True

    def ports(self, config: Mapping[str, Any]) -> Ports:
        return Ports((OUT, TIMEOUT))

    def resume(self, config: ConfigT, context: RunContext) -> Outcome:
        if context.signal is not None:
            return self.woken(context.signal)
        if TIMEOUT in context.connected_ports:
            return Succeeded({"timed_out": True}, port=TIMEOUT)
        return Failed(NodeError(TIMED_OUT, "Nothing came within timeout_seconds."), is_final=True)

    def woken(self, signal: Mapping[str, Any]) -> Outcome:
        raise NotImplementedError
