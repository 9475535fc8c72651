"""What each kind of step is made of."""

from collections.abc import Mapping
from typing import Any, ClassVar, Generic, Protocol

from apps.dialects.processes.drafting import ConfigT, Draft, PlacedStep, Service, Way
from apps.engine.definition import Part
from apps.engine.outcomes import OUT


class Process(Protocol):
    """What an element may ask for while it becomes nodes."""

    draft: Draft
    services: Mapping[str, Service]

    def lead(self, step: PlacedStep, way: Way, *, source: str | None = None, port: str = OUT) -> None:
        """Add the edge from a node of the step, the one with its own id unless `source` names another, to where a way leads."""

    def values(self) -> dict[str, str]:
        """{name of a declared variable: expression of its value}"""


class AnyConfig(Part):
    """No settings."""


class Element(Generic[ConfigT]):
    """One kind of step. A subclass says by `ways` where it leads, and by `add` which nodes it becomes.

    Config        what its config looks like; None: the node that it becomes says so
    leads_by      which of the fields `next` and `ports` of a step it goes by
    """

    Config: ClassVar[type[Part] | None] = AnyConfig
    leads_by: ClassVar[frozenset[str]] = frozenset({"next", "ports"})

    def ways(self, step: PlacedStep, config: ConfigT) -> list[Way]:
        return [*step.next, *_ports(step)]

    def add(self, step: PlacedStep, config: ConfigT, process: Process) -> None:
        raise NotImplementedError

    def lead_on(self, step: PlacedStep, process: Process) -> None:
        """Go on by `next` and `ports`."""
        for way in step.next:
            process.lead(step, way)
        for port, targets in step.form.ports.items():
            for index, target in enumerate(targets):
                process.lead(step, Way(target, step.at("ports", port, index)), port=port)


def _ports(step: PlacedStep) -> list[Way]:
    return [Way(target, step.at("ports", port, index)) for port, targets in step.form.ports.items() for index, target in enumerate(targets)]


def expression_of(text: str | bool) -> Any:
    """The text of a condition as an expression, with or without its braces: "amount > 1" → "${amount > 1}"."""
    return text if isinstance(text, bool) or "${" in text else f"${{{text}}}"


def inner_of(expression: str) -> str | None:
    """What stands between the braces of a text that is one expression, None where it is more or less than that."""
    text = expression.strip()
    return text[2:-1] if text.startswith("${") and text.endswith("}") and "${" not in text[2:] else None
