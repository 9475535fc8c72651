"""Steps that begin, end and wait."""

from typing import Any, ClassVar

from pydantic import Field

from apps.dialects.processes.drafting import PlacedStep, Way
from apps.dialects.processes.element import AnyConfig, Element, Process
from apps.dialects.processes.form import Duration
from apps.engine.definition import Key, Part

NOTHING = {"mode": "first"}  # a control.merge that hands on what came, for places where ways meet or part


class StartEvent(Element[AnyConfig]):
    """`start_event`: a node `trigger.manual`."""

    def add(self, step: PlacedStep, config: AnyConfig, process: Process) -> None:
        process.draft.step_node(step, "trigger.manual", {})
        self.lead_on(step, process)


class EndEvent(Element[AnyConfig]):
    """`end_event`: a node that hands on what came."""

    leads_by: ClassVar = frozenset()

    def ways(self, step: PlacedStep, config: AnyConfig) -> list[Way]:
        return []

    def add(self, step: PlacedStep, config: AnyConfig, process: Process) -> None:
        process.draft.step_node(step, "control.merge", NOTHING)


class TimerConfig(Part):
    duration: Duration | None = None
    """How long to wait: "2h"."""
    until: str | None = None
    """Or: until when, as ISO 8601 with an offset."""
    action: Key | None = None
    """Step that follows once the time is over, beside those of `next`."""


class TimerEvent(Element[TimerConfig]):
    """`timer_event`: a node `control.delay`; `action` is one more step that comes next."""

    Config: ClassVar = TimerConfig

    def ways(self, step: PlacedStep, config: TimerConfig) -> list[Way]:
        action = [] if config.action is None else [Way(config.action, step.at("config", "action"))]
        return [*action, *super().ways(step, config)]

    def add(self, step: PlacedStep, config: TimerConfig, process: Process) -> None:
        process.draft.step_node(step, "control.delay", delay_of(step, config, process))
        process.draft.note("/seconds", step.at("config", "duration"))
        if config.action is not None:
            process.lead(step, Way(config.action, step.at("config", "action")))
        self.lead_on(step, process)


def delay_of(step: PlacedStep, config: Any, process: Process, *place: str | int) -> dict[str, Any]:
    """Config of the node that waits; `place` is that of the config of `duration` and `until` in the step."""
    pointer = step.at(*(place or ("config",)))
    if (config.duration is None) == (config.until is None):
        found = "neither" if config.duration is None else "both"
        process.draft.fault(pointer, f"Expected either 'duration' or 'until', found {found}.", found=found)
        return {"seconds": 0}
    if config.until is not None:
        return {"until": config.until}
    return {"seconds": process.draft.seconds(config.duration, f"{pointer}/duration") or 0}


class Awaited(Part):
    event: str | None = None
    """Name of an event that somebody sends to /api/v1/signals."""
    correlation_key: Any = ""
    """Which of the events of this name."""
    duration: Duration | None = None
    """Or a span of time that passes."""
    until: str | None = None
    """Or an instant that comes."""
    next: Key
    """Step that follows where this comes first."""


class EventConfig(Part):
    events: tuple[Awaited, ...] = Field(min_length=1, max_length=50)
    """What it waits for; the first that comes decides."""


class EventGateway(Element[EventConfig]):
    """`event_gateway`: a node that waits for each event; the first cancels the rest, and leads on."""

    Config: ClassVar = EventConfig
    leads_by: ClassVar = frozenset()

    def ways(self, step: PlacedStep, config: EventConfig) -> list[Way]:
        return [Way(each.next, step.at("config", "events", index, "next")) for index, each in enumerate(config.events)]

    def add(self, step: PlacedStep, config: EventConfig, process: Process) -> None:
        draft, ways = process.draft, self.ways(step, config)
        draft.step_node(step, "control.merge", NOTHING)
        first, chosen = f"{step.id}__first", f"{step.id}__chosen"
        for index, each in enumerate(config.events):
            self._add_wait(step, each, index, process)
            draft.edge(step.id, f"{step.id}__{index}", ways[index].pointer)
            draft.edge(f"{step.id}__{index}", first, ways[index].pointer)
        draft.node(step, first, "control.merge", {"mode": "collect"}, join="any", cancel_rest=len(config.events) > 1)
        cases = [{"when": f"${{'{step.id}__{index}' in nodes.{first}}}", "port": f"event_{index}"} for index in range(len(ways))]
        draft.node(step, chosen, "control.switch", {"cases": cases})
        draft.edge(first, chosen, step.pointer)
        for index, way in enumerate(ways):
            process.lead(step, way, source=chosen, port=f"event_{index}")

    def _add_wait(self, step: PlacedStep, each: Awaited, index: int, process: Process) -> None:
        key, place = f"{step.id}__{index}", ("config", "events", index)
        if each.event is None:
            process.draft.node(step, key, "control.delay", delay_of(step, each, process, *place))
        else:
            if each.duration is not None or each.until is not None:
                process.draft.fault(step.at(*place), "Expected an event or a time, found both: list them apart.", found="both")
            process.draft.node(step, key, "control.wait_event", {"event": each.event, "correlation_key": each.correlation_key})
        process.draft.note("", step.at(*place))
