"""JSON reshaped by JSONata."""

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field

from apps.engine.outcomes import Outcome, Succeeded
from apps.nodes import jsonata_sandbox
from apps.nodes.contract import Effect, NodeConfig, NodeType, RunContext
from apps.nodes.registry import register


class TransformConfig(NodeConfig):
    expression: str = Field(
        title="Expression", min_length=1, max_length=20_000, json_schema_extra={"widget": "code", "language": "jsonata"}
    )
    """JSONata, such as `items[price > 10].{"id": id, "total": price * count}`. Expressions in `${…}` are not resolved here."""

    input: Any = Field(title="Input")
    """What the expression is applied to: any JSON value, most often the output of a node."""

    timeout_seconds: float = Field(default=5, title="Timeout in seconds", gt=0, le=60)
    """How long the expression may take."""

    memory_mb: int = Field(default=128, title="Memory in MB", ge=16, le=512)
    """How much memory the expression may take."""


@register
class Transform(NodeType[TransformConfig]):
    """Reshape JSON by a JSONata expression; its result is the output, null where it gives nothing.

    Regular expressions are those of RE2: they know no look-around and no back-references, and never hang.
    """

    name = "data.transform"
    title = "Transform"
    category = "data"
    icon = "shuffle"
    effect = Effect.PURE
    verbatim = frozenset(("expression",))
    errors: ClassVar = {
        "expression_failed": "the expression does not parse, or fails on this input",
        "timeout": "it ran longer than its time limit",
        "memory_exceeded": "it needed more memory than allowed",
        "output_too_large": "the result is too large",
        "sandbox_crashed": "the sandbox died; another attempt gets a new one",
        "sandbox_busy": "no sandbox became free within a minute",
    }
    example: ClassVar = {"expression": '{"count": $count(items), "total": $sum(items.(price * count))}', "input": "${input}"}
    Config: ClassVar = TransformConfig

    def check(self, config: Mapping[str, Any]) -> list[tuple[str, str]]:
        fault = jsonata_sandbox.fault_of(config["expression"])
        return [("/expression", fault)] if fault else []

    def run(self, config: TransformConfig, context: RunContext) -> Outcome:
        value = jsonata_sandbox.evaluate(
            config.expression,
            config.input,
            timeout_seconds=min(config.timeout_seconds, context.timeout_seconds or config.timeout_seconds),
            memory_mb=config.memory_mb,
            on_cancel=context.on_cancel,
        )
        return Succeeded(value)
