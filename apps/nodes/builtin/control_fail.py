"""Failing on purpose."""

from typing import ClassVar

from pydantic import Field

from apps.engine.outcomes import Failed, NodeError, Outcome
from apps.nodes.contract import Effect, NodeConfig, NodeType, Ports, RunContext
from apps.nodes.registry import register


class FailConfig(NodeConfig):
    message: str = Field(title="Message", min_length=1, max_length=2000)
    """What went wrong, for the people who look at the execution."""

    code: str = Field(default="failed_on_purpose", title="Code", pattern=r"^[a-z][a-z0-9_]{0,63}$")
    """What went wrong, for programs: small letters, digits and _."""


@register
class Fail(NodeType[FailConfig]):
    """Fail on purpose, with a message and a code; it is never retried.

    What follows is said by the node's `on_error`: by default the execution fails.
    """

    name = "control.fail"
    title = "Fail"
    category = "control"
    icon = "octagon-x"
    effect = Effect.PURE
    brief = True
    errors: ClassVar = {
        "failed_on_purpose": "the node ran; `code` replaces this code",
    }
    example: ClassVar = {"message": "Order ${input.id} has no items.", "code": "empty_order"}
    Config: ClassVar = FailConfig

    def ports(self, config: object) -> Ports:
        return Ports(())

    def run(self, config: FailConfig, context: RunContext) -> Outcome:
        return Failed(NodeError(config.code, config.message), is_final=True)
