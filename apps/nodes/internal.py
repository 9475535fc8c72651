"""Node types that the engine puts into graphs, and that no definition names."""

from typing import Any, ClassVar

from apps.engine.graph import OUTPUT_TYPE
from apps.engine.outcomes import Outcome, Succeeded
from apps.nodes.contract import Effect, NodeConfig, NodeType, RunContext
from apps.nodes.registry import register_internal


class OutputConfig(NodeConfig):
    values: Any
    """The output of the workflow, its expressions resolved."""


@register_internal
class Output(NodeType[OutputConfig]):
    """Evaluate the output of the workflow, once all its ends have settled."""

    name = OUTPUT_TYPE
    title = "Output"
    category = "internal"
    icon = "flag"
    effect = Effect.PURE
    brief = True
    Config: ClassVar = OutputConfig

    def run(self, config: OutputConfig, context: RunContext) -> Outcome:
        return Succeeded(config.values)
