"""Branches brought together."""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field

from apps.engine.outcomes import Failed, NodeError, Outcome, Succeeded
from apps.engine.problems import shown
from apps.nodes.contract import Effect, NodeConfig, NodeType, RunContext
from apps.nodes.registry import register


class MergeConfig(NodeConfig):
    mode: Literal["collect", "list", "object", "first"] = Field(default="collect", title="Mode")
    """What to make of the outputs of the branches that ran, in the order of the edges:
    `collect` an object with the output of each by node key,
    `list` an array of them,
    `object` one object with the keys of all, where a later branch overwrites an earlier one,
    `first` the output of the first alone."""


@register
class Merge(NodeType[MergeConfig]):
    """Bring branches together; the output is made of theirs.

    When it starts is said by the node's `join`: `all`, `any`, `at_least` or `all_settled`.
    Branches that were skipped, or have not ended yet, are left out.
    """

    name = "control.merge"
    title = "Merge"
    category = "control"
    icon = "merge"
    effect = Effect.PURE
    brief = True
    reads_upstream = True
    errors: ClassVar = {
        "not_an_object": "mode `object` met an output that is no object",
    }
    example: ClassVar = {"mode": "collect"}
    Config: ClassVar = MergeConfig

    def run(self, config: MergeConfig, context: RunContext) -> Outcome:
        outputs = context.upstream
        match config.mode:
            case "collect":
                return Succeeded(dict(outputs))
            case "list":
                return Succeeded(list(outputs.values()))
            case "first":
                return Succeeded(next(iter(outputs.values()), None))
        return _merged(outputs)


def _merged(outputs: Mapping[str, Any]) -> Outcome:
    merged: dict[str, Any] = {}
    for key, output in outputs.items():
        if not isinstance(output, dict):
            message = f"Mode 'object' expects objects, and node '{key}' gave {shown(output)}."
            return Failed(NodeError("not_an_object", message, {"node": key}), is_final=True)
        merged |= output
    return Succeeded(merged)
