"""What a translation gathers: nodes and edges with their places in the form, variables, faults and warnings."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import orjson
from pydantic import ValidationError

from apps.dialects.durations import EXPECTED, NotADurationError, seconds_of
from apps.dialects.places import Places
from apps.dialects.processes.form import Duration, Step, form_problems
from apps.engine.definition import Part
from apps.engine.outcomes import OUT
from apps.engine.pointers import pointer_to
from apps.engine.problems import Problem

ConfigT = TypeVar("ConfigT", bound=Part)
# What a step says about the node itself, whatever it does.
_OF_NODE = ("join", "retry", "on_error", "on_worker_lost", "timeout_seconds", "credentials", "queue", "disabled", "notes", "position")


@dataclass(frozen=True, slots=True)
class Way:
    """One way on: the id of the step that it leads to, and where the form says so."""

    target: str
    pointer: str


@dataclass(frozen=True, slots=True)
class PlacedStep:
    """A step with its id, and its place in the form."""

    id: str
    form: Step
    pointer: str

    def at(self, *parts: str | int) -> str:
        return self.pointer + pointer_to(*parts)

    @property
    def next(self) -> list[Way]:
        return [Way(target, self.at("next", index)) for index, target in enumerate(self.form.next)]


@dataclass(frozen=True, slots=True)
class Service:
    """What a translation knows of a registered service.

    methods      names of its methods; None: any
    is_function  its methods are Python functions, and not called over HTTP
    parameters   {method: names of what its function takes}
    """

    name: str
    methods: frozenset[str] | None = None
    is_function: bool = False
    parameters: Mapping[str, frozenset[str]] = field(default_factory=dict)


@dataclass(slots=True)
class Draft:
    """A definition in the making."""

    inputs: dict[str, str] = field(default_factory=dict)
    variables: dict[str, Any] = field(default_factory=dict)
    nodes: list[dict[str, Any]] = field(default_factory=list)
    edges: list[dict[str, Any]] = field(default_factory=list)
    places: Places = field(default_factory=Places)
    faults: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)

    def step_node(self, step: PlacedStep, type: str, config: Mapping[str, Any], **fields: Any) -> None:
        """The node that does what a step says."""
        own = step.form.model_dump(mode="json", by_alias=True, exclude_unset=True, include=set(_OF_NODE))
        self.node(step, step.id, type, config, name=step.form.name or step.id, **{**own, **fields})

    def node(self, step: PlacedStep, key: str, type: str, config: Mapping[str, Any], **fields: Any) -> None:
        """A node that is made for a step."""
        pointer = pointer_to("nodes", len(self.nodes))
        self.places.note(pointer, step.pointer)
        self.places.note(f"{pointer}/key", step.at("id"))
        set_fields = {name: value for name, value in fields.items() if value is not None and value != {}}
        self.nodes.append({"key": key, "type": type, "config": dict(config), **set_fields})

    def note(self, pointer: str, origin: str) -> None:
        """A place in the config of the node made last, and what it comes from."""
        self.places.note(pointer_to("nodes", len(self.nodes) - 1, "config") + pointer, origin)

    def edge(self, source: str, target: str, origin: str, port: str = OUT) -> None:
        edge = {"source": source, "port": port, "target": target}
        if edge not in self.edges:  # naming a step twice says no more than once
            self.places.note(pointer_to("edges", len(self.edges)), origin)
            self.edges.append(edge)

    def fault(self, pointer: str, message: str, **details: str | None) -> None:
        self.faults.append(Problem(pointer, message, **details))

    def config(self, step: PlacedStep, kind: type[ConfigT]) -> ConfigT | None:
        """The config of a step as its element has it; None, and its faults noted, where it does not fit."""
        try:
            return kind.model_validate_json(orjson.dumps(step.form.config))
        except ValidationError as error:
            self.faults += form_problems(error, kind, step.form.config, base=step.at("config"))
            return None

    def seconds(self, duration: Duration, pointer: str) -> float | None:
        """Seconds of a span of time; None, and the fault noted, where it is none."""
        try:
            return seconds_of(duration)
        except NotADurationError as error:
            self.fault(pointer, str(error), found=str(duration)[:80], expected=EXPECTED)
            return None


def unique(names: Sequence[str]) -> list[str]:
    """Each once, in their order."""
    return list(dict.fromkeys(names))
