"""From the form of a process to a definition: pure, the same form always gives the same definition.

A step that others name and the form does not describe is work for a person: `user_task`, with a warning. Nothing is skipped in silence.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from apps.dialects.cycles import find_cycle, shown
from apps.dialects.places import Places
from apps.dialects.processes.branches import Branches
from apps.dialects.processes.drafting import Draft, PlacedStep, Service, Way
from apps.dialects.processes.element import AnyConfig, Element
from apps.dialects.processes.events import EndEvent, EventGateway, StartEvent, TimerEvent
from apps.dialects.processes.form import ProcessForm, Step, parse_form
from apps.dialects.processes.gateways import ExclusiveGateway, InclusiveGateway, ParallelConfig, ParallelGateway
from apps.dialects.processes.work import INITIATOR, NodeStep, ServiceTask, UserTask, answers_of
from apps.engine.outcomes import OUT
from apps.engine.pointers import pointer_to
from apps.engine.problems import InvalidDefinitionError, Problem, listed, nearest

ELEMENTS: Mapping[str, Element[Any]] = {
    "service_task": ServiceTask(),
    "user_task": UserTask(),
    "exclusive_gateway": ExclusiveGateway(),
    "parallel_gateway": ParallelGateway(),
    "inclusive_gateway": InclusiveGateway(),
    "event_gateway": EventGateway(),
    "timer_event": TimerEvent(),
    "start_event": StartEvent(),
    "end_event": EndEvent(),
}
_NODE = NodeStep()
_VARIABLES_KEY = "process__variables"


@dataclass(frozen=True, slots=True)
class Translated:
    """A definition, and what there is to say about the form that it was made of.

    places     where its parts come from
    warnings   faults that may be none, at their places in the form
    """

    definition: dict[str, Any]
    places: Places
    warnings: tuple[Problem, ...]


def translate(data: object, *, services: Sequence[Service] = ()) -> Translated:
    """The definition of a process.

    data       the form as JSON: {"name": str, "variables": {name: type}, "steps": [{"id", "type", "config", "next": [id]}]}
    services   the registered ones of the workspace
    Raises InvalidDefinitionError, with pointers into the form. What needs node types and expressions is for `validate` to check.
    """
    return _Translation(parse_form(data), {each.name: each for each in services}).run()


class _Translation:
    def __init__(self, form: ProcessForm, services: Mapping[str, Service]) -> None:
        self.draft, self.services = Draft(), services
        self._form = form
        self._steps: dict[str, PlacedStep] = {}
        self._configs: dict[str, Any] = {}
        self._branches = Branches({}, {})

    def run(self) -> Translated:
        for index, form in enumerate(self._form.steps):
            self._place(index, form)
        self._read_configs(list(self._steps.values()))
        self._describe_the_rest()
        self._check_cycles()
        self._stop_at_faults()
        self._declare()
        self._branches = Branches(self._followers(), self._gateways())
        self._check_branches()
        for step in self._steps.values():
            self._element(step).add(step, self._configs[step.id], self)
        self._join_ends()
        self._begin()
        self._stop_at_faults()
        return Translated(self._definition(), self.draft.places, tuple(self.draft.warnings))

    def lead(self, step: PlacedStep, way: Way, *, source: str | None = None, port: str = OUT) -> None:
        self.draft.edge(source or step.id, self._branches.destination(step.id, way.target), way.pointer, port)

    def values(self) -> dict[str, str]:
        return {name: self._value(name) for name in self._form.variables}

    def _value(self, name: str) -> str:
        if name in self.draft.variables:
            return f"${{vars.{name}}}"
        return f"${{input.{name}}}" if not self.draft.inputs[name].endswith("?") else f"${{input.?{name}.orValue(null)}}"

    def _place(self, index: int, step: Step) -> None:
        pointer = pointer_to("steps", index)
        wanted = step.id or self._free(step.type.replace(".", "_"))
        if wanted in self._steps:
            message = f"The id '{wanted}' is that of another step already (at '{self._steps[wanted].pointer}')."
            self.draft.fault(f"{pointer}/id", message, found=wanted, expected="an id of its own")
            return
        self._steps[wanted] = PlacedStep(wanted, step, pointer)
        if step.type not in ELEMENTS and "." not in step.type and step.type != "function":
            message = f"There is no kind of step '{step.type}'."
            expected = f"one of {listed(ELEMENTS)}, or a node type"
            self.draft.fault(f"{pointer}/type", message, found=step.type, expected=expected, suggestion=nearest(step.type, ELEMENTS))

    def _free(self, name: str) -> str:
        """A name for a step without id: that of its type, with a number where it is taken."""
        taken = {each.id for each in self._form.steps} | self._steps.keys()
        return next(each for each in (name, *(f"{name}_{number}" for number in range(2, len(taken) + 3))) if each not in taken)

    def _element(self, step: PlacedStep) -> Element[Any]:
        return ELEMENTS.get(step.form.type, _NODE)

    def _read_configs(self, steps: Sequence[PlacedStep]) -> None:
        for step in steps:
            element = self._element(step)
            self._configs[step.id] = AnyConfig() if element.Config is None else self.draft.config(step, element.Config)
            for field in ("next", "ports"):
                if field not in element.leads_by and getattr(step.form, field):
                    message = f"A step of type {step.form.type} does not lead on by '{field}'."
                    self.draft.fault(step.at(field), message, found=field, expected=f"no '{field}'")

    def _ways(self, step: PlacedStep) -> list[Way]:
        config = self._configs[step.id]
        return [] if config is None else self._element(step).ways(step, config)

    def _describe_the_rest(self) -> None:
        described = [*self._steps]
        for way in [way for step in [*self._steps.values()] for way in self._ways(step)]:
            if way.target not in self._steps:
                self._steps[way.target] = PlacedStep(way.target, Step(id=way.target, type="user_task"), way.pointer)
                self._configs[way.target] = AnyConfig()
                message = f"No step '{way.target}' is described: it becomes a task for whoever starts the process."
                near = nearest(way.target, described)
                self.draft.warnings.append(Problem(way.pointer, message, way.target, "the id of a step", near))

    def _followers(self) -> dict[str, list[str]]:
        return {key: [way.target for way in self._ways(step)] for key, step in self._steps.items()}

    def _gateways(self) -> dict[str, tuple[Sequence[str], Sequence[str]]]:
        found = ((key, self._configs[key]) for key in self._steps)
        return {
            key: (config.parallel_tasks, self._steps[key].form.next)
            for key, config in found
            if isinstance(config, ParallelConfig) and config.parallel_tasks
        }

    def _check_cycles(self) -> None:
        if (cycle := find_cycle(self._followers())) is not None:
            way = next(way for way in self._ways(self._steps[cycle[-2]]) if way.target == cycle[-1])
            message = f"The steps go round in a circle: {shown(cycle)}. To repeat something, call another process or use a loop."
            self.draft.fault(way.pointer, message, found=shown(cycle), expected="steps without a cycle")

    def _check_branches(self) -> None:
        for gateway, (tasks, _) in self._gateways().items():
            for index, task in enumerate(tasks):
                if self._branches.is_after(gateway, task):
                    message = f"Step '{task}' comes after gateway '{gateway}' as well, and so cannot be one of its parallel tasks."
                    place = self._steps[gateway].at("config", "parallel_tasks", index)
                    self.draft.fault(place, message, found=task, expected="a step that does not come after the gateway")

    def _stop_at_faults(self) -> None:
        if self.draft.faults:
            raise InvalidDefinitionError(self.draft.faults)

    def _declare(self) -> None:
        """The variables: what the start brings, and what tasks write."""
        tasks = (step for step in self._steps.values() if step.form.type == "user_task")
        written = [name for step in tasks for name in answers_of(step.form.config)]
        self.draft.variables |= dict.fromkeys(written)
        optional = {name: f"{word.removesuffix('?')}?" for name, word in self._form.variables.items() if name in self.draft.variables}
        self.draft.inputs = {INITIATOR: "string?", **self._form.variables, **optional}
        self.draft.places.note("/inputs", "/variables")

    def _join_ends(self) -> None:
        """Lead the ends of parallel branches to where they meet."""
        for key, step in self._steps.items():
            exit_key = self._branches.exit_of(key)
            if not any(edge["source"] == exit_key for edge in self.draft.edges) and (join := self._branches.around(key)) is not None:
                self.draft.edge(exit_key, join, step.pointer)

    def _begin(self) -> None:
        """Take over, at the start, the variables that tasks write as well."""
        both = [name for name in self._form.variables if name in self.draft.variables]
        if not both:
            return
        given = {name: f"${{input.?{name}.orValue(null)}}" for name in both}
        entered = {edge["target"] for edge in self.draft.edges}
        triggers = {node["key"] for node in self.draft.nodes if node["type"].startswith("trigger.")}
        first = [node["key"] for node in self.draft.nodes if node["key"] not in entered | triggers]
        for edge in self.draft.edges:
            if edge["source"] in triggers:
                first.append(edge["target"])
                edge["target"] = _VARIABLES_KEY
        self.draft.edges = [edge for index, edge in enumerate(self.draft.edges) if edge not in self.draft.edges[:index]]
        self.draft.nodes.append({"key": _VARIABLES_KEY, "type": "data.set", "config": {"variables": given}})
        self.draft.edges += [{"source": _VARIABLES_KEY, "port": OUT, "target": key} for key in first]

    def _definition(self) -> dict[str, Any]:
        form, draft = self._form, self.draft
        texts = {"name": form.name, "description": form.description, "version": form.version}
        parts = {"inputs": draft.inputs, "variables": draft.variables, "nodes": draft.nodes, "edges": draft.edges}
        return {"schema": 1, **texts, **parts}
