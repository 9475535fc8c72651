"""Two ways out, by a condition."""

from typing import ClassVar

from pydantic import Field, StrictBool

from apps.engine.outcomes import Outcome, Succeeded
from apps.nodes.contract import Effect, NodeConfig, NodeType, Ports, RunContext
from apps.nodes.registry import register


class IfConfig(NodeConfig):
    condition: StrictBool = Field(title="Condition")
    """An expression that gives true or false, such as `${amount > 1000}`. Anything else is an error: 1 is not true, and "" is not false."""


@register
class If(NodeType[IfConfig]):
    """Go one of two ways, by a condition; the output is {"result": bool}."""

    name = "control.if"
    title = "If"
    category = "control"
    icon = "split"
    effect = Effect.PURE
    brief = True
    example: ClassVar = {"condition": "${input.amount > 1000}"}
    Config: ClassVar = IfConfig

    def ports(self, config: object) -> Ports:
        return Ports(("true", "false"))

    def run(self, config: IfConfig, context: RunContext) -> Outcome:
        return Succeeded({"result": config.condition}, port="true" if config.condition else "false")
