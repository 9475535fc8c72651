"""Where an execution begins that an event starts."""

import re
from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field

from apps.engine.expressions import ExpressionError, Names, Template, compile_template
from apps.engine.outcomes import Outcome
from apps.nodes.contract import Effect, NodeConfig, NodeType, RunContext, is_constant
from apps.nodes.registry import register
from apps.nodes.triggering import fired

_TYPE = re.compile(r"[A-Za-z_*][A-Za-z0-9_./*-]{0,127}")
_NAMES = Names(inputs=frozenset({"event"}))


class EventTriggerConfig(NodeConfig):
    types: list[str] = Field(min_length=1, max_length=50, title="Types")
    """Types of events, such as `order.paid`; `*` stands for any characters, as in `order.*`."""
    filter: str = Field(default="", max_length=4000, title="Filter")
    """An expression over `event` that must be true, such as `${event.data.total > 1000}`. Empty: every event of these types."""


@register
class EventTrigger(NodeType[EventTriggerConfig]):
    """Begin here when an event comes; the output is {"id", "type", "source", "subject", "time", "data"} of it.

    Events come by `POST /events`, from this installation itself (`execution.finished`, `node.failed`, `task.created`), and from the
    programs that it is part of. Publishing begins to listen, unpublishing ends it. Each event that fits starts the workflow once.
    """

    name = "trigger.event"
    title = "Event"
    category = "trigger"
    icon = "bolt"
    effect = Effect.PURE
    brief = True
    verbatim = frozenset(EventTriggerConfig.model_fields)
    example: ClassVar = {"types": ["order.*"], "filter": "${event.data.total > 1000}"}
    Config: ClassVar = EventTriggerConfig

    def check(self, config: Mapping[str, Any]) -> list[tuple[str, str]]:
        faults = [
            (f"/types/{index}", f"Expected the type of an event, perhaps with *, found '{text[:60]}'.")
            for index, text in enumerate(config.get("types", []))
            if not _TYPE.fullmatch(text)
        ]
        return faults + _faults_of_filter(config.get("filter", ""))

    def run(self, config: EventTriggerConfig, context: RunContext) -> Outcome:
        return fired(context)


def filter_template(text: str) -> Template:
    """A filter, compiled; it reads `event`, as the output of the node is. Raises ExpressionError."""
    return compile_template(text, _NAMES)


def _faults_of_filter(text: str) -> list[tuple[str, str]]:
    if not text:
        return []
    if is_constant(text):
        return [("/filter", "Expected an expression such as ${event.data.total > 1000}: this is the same for every event.")]
    try:
        filter_template(text)
    except ExpressionError as error:
        return [("/filter", error.message)]
    return []
