"""Values and execution variables, written by expressions."""

import re
from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field

from apps.engine.outcomes import Outcome, Succeeded
from apps.engine.pointers import pointer_to
from apps.nodes.contract import Effect, NodeConfig, NodeType, RunContext
from apps.nodes.registry import register

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")


class SetConfig(NodeConfig):
    values: dict[str, Any] = Field(default={}, title="Values")
    """The output, by name: any JSON values, with expressions in them."""

    variables: dict[str, Any] = Field(default={}, title="Variables")
    """Execution variables to write, by name; nodes that start afterwards read them as `vars.<name>`."""


@register
class Set(NodeType[SetConfig]):
    """Give names to values; the output is an object of them.

    Variables are written as well, and are not part of the output.
    """

    name = "data.set"
    title = "Set values"
    category = "data"
    icon = "pencil"
    effect = Effect.PURE
    brief = True
    example: ClassVar = {
        "values": {"customer": "${input.customer}", "total": "${input.net + input.tax}"},
        "variables": {"is_checked": True},
    }
    Config: ClassVar = SetConfig

    def check(self, config: Mapping[str, Any]) -> list[tuple[str, str]]:
        variables = config.get("variables", {})
        if not config.get("values") and not variables:
            return [("", "Expected 'values', 'variables' or both, found neither: the node would do nothing.")]
        if not isinstance(variables, Mapping):
            return [("/variables", "Expected an object, found an expression: which variables are written must be known beforehand.")]
        return [
            (pointer_to("variables", name), f"Expected the name of a variable (letters, digits and _, 64 at most), found '{name}'.")
            for name in variables
            if not _NAME.fullmatch(name)
        ]

    def variables_of(self, config: Mapping[str, Any]) -> frozenset[str]:
        return frozenset(config.get("variables", ()))

    def run(self, config: SetConfig, context: RunContext) -> Outcome:
        return Succeeded(config.values, variables=config.variables)
