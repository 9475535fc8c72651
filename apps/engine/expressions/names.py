"""What an expression may name, and the values behind the names."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from apps.engine.definition import Definition

ROOTS = ("input", "vars", "workflow_vars", "nodes", "execution", "env")
LOOP_ROOTS = ("item", "index")


@dataclass(frozen=True, slots=True)
class Names:
    """The bare names of one definition, beside the roots `input`, `vars`, `workflow_vars`, `nodes`, `execution`, `env`.

    A root goes before a variable of its name, and a variable before an input; the hidden one is still there as vars.<name> or input.<name>.

    is_in_loop   `item` and `index` are roots as well
    """

    inputs: frozenset[str] = frozenset()
    variables: frozenset[str] = frozenset()
    is_in_loop: bool = False

    @classmethod
    def of(cls, definition: Definition) -> "Names":
        properties = definition.input_schema.get("properties")
        return cls(frozenset(properties if isinstance(properties, dict) else ()), frozenset(definition.variables))

    def find_place(self, name: str) -> tuple[str, tuple[str, ...]] | None:
        """Root and steps of a bare name, None when it is not declared."""
        if name in self._roots:
            return name, ()
        if name in self.variables:
            return "vars", (name,)
        return ("input", (name,)) if name in self.inputs else None

    @property
    def bare(self) -> frozenset[str]:
        return self.inputs | self.variables | frozenset(self._roots)

    @property
    def _roots(self) -> tuple[str, ...]:
        return ROOTS + LOOP_ROOTS if self.is_in_loop else ROOTS

    @property
    def in_loop(self) -> "Names":
        """The names in the body of a loop."""
        return replace(self, is_in_loop=True)


@dataclass(frozen=True, slots=True)
class Scope:
    """The values that an expression reads; all are JSON values.

    input       input of the execution
    variables   {name: value}
    workflow_vars   {name: value} that earlier executions of the workflow left behind
    nodes       {node key: output} of the nodes that have settled; {} for one that was skipped
    execution   what the execution says of itself: {"id": str, …}
    env         {name: value} of the installation
    item, index   what the iteration of a loop is about, and its number from 0; None outside
    """

    input: Any = None
    variables: Mapping[str, Any] = field(default_factory=dict)
    workflow_vars: Mapping[str, Any] = field(default_factory=dict)
    nodes: Mapping[str, Any] = field(default_factory=dict)
    execution: Mapping[str, Any] = field(default_factory=dict)
    env: Mapping[str, Any] = field(default_factory=dict)
    item: Any = None
    index: int | None = None

    def root(self, name: str) -> Any:
        return self.variables if name == "vars" else getattr(self, name)
