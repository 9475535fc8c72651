"""Values and execution variables, written by expressions."""

import re
from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field

from apps.engine.outcomes import Outcome, Succeeded
from apps.engine.pointers import pointer_to
from apps.nodes.contract import Effect, NodeConfig, NodeType, RunContext
from apps.nodes.registry import register

_VARIABLES = ("variables", "workflow_variables")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")


class SetConfig(NodeConfig):
    values: dict[str, Any] = Field(default={}, title="Values")
    """The output, by name: any JSON values, with expressions in them."""

    variables: dict[str, Any] = Field(default={}, title="Variables")
    """Execution variables to write, by name; nodes that start afterwards read them as `vars.<name>`."""

    workflow_variables: dict[str, Any] = Field(default={}, title="Variables of the workflow")
    """Variables to leave behind for later executions, by name; they are read as `workflow_vars.<name>`, here too from then on."""


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
        if not any(config.get(field) for field in ("values", *_VARIABLES)):
            return [("", "Expected 'values' or 'variables', found neither: the node would do nothing.")]
        return [fault for field in _VARIABLES for fault in _name_faults(field, config.get(field, {}))]

    def writes(self, config: Mapping[str, Any]) -> tuple[str, ...]:
        return tuple(config.get("variables", {}))

    def run(self, config: SetConfig, context: RunContext) -> Outcome:
        return Succeeded(config.values, variables=config.variables, workflow_variables=config.workflow_variables)


def _name_faults(field: str, variables: Any) -> list[tuple[str, str]]:
    if not isinstance(variables, Mapping):
        return [(f"/{field}", "Expected an object, found an expression: which variables are written must be known beforehand.")]
    return [
        (pointer_to(field, name), f"Expected the name of a variable (letters, digits and _, 64 at most), found '{name}'.")
        for name in variables
        if not _NAME.fullmatch(name)
    ]
