"""Waiting for an instant that the workflow has worked out."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar

from django.utils import timezone
from pydantic import AwareDatetime, Field, TypeAdapter, ValidationError

from apps.engine.outcomes import Deferred, Outcome, Succeeded
from apps.engine.problems import shown
from apps.nodes.contract import Effect, NodeConfig, NodeFailure, NodeType, RunContext, is_constant
from apps.nodes.registry import register

EXPECTED = "Expected an instant as ISO 8601 text with an offset, such as 2030-01-31T09:00:00+01:00, or as seconds since 1970"
_INSTANT: TypeAdapter[datetime] = TypeAdapter(AwareDatetime)


class WaitUntilConfig(NodeConfig):
    instant: Any = Field(title="Instant")
    """When it goes on: ISO 8601 with an offset, or seconds since 1970. One that has passed does not wait."""


@register
class WaitUntil(NodeType[WaitUntilConfig]):
    """Wait until an instant, such as a due date of the input; the output is {"instant": the instant, "waited_until": when it went on}.

    A waiting node holds no process, and outlives every restart. The clock of the database counts, to half a second.
    """

    name = "control.wait_until"
    title = "Wait until"
    category = "control"
    icon = "clock"
    effect = Effect.PURE
    brief = True
    errors: ClassVar = {"invalid_instant": "`instant` is no instant, or has no offset"}
    example: ClassVar = {"instant": "${input.due_at}"}
    Config: ClassVar = WaitUntilConfig

    def check(self, config: Mapping[str, Any]) -> list[tuple[str, str]]:
        value = config.get("instant")
        if "instant" not in config or not is_constant(value):
            return []
        try:
            instant_of(value)
        except NodeFailure as failure:
            return [("/instant", str(failure))]
        return []

    def run(self, config: WaitUntilConfig, context: RunContext) -> Outcome:
        instant = instant_of(config.instant)
        return Deferred(until=instant, state={"instant": instant.isoformat()})

    def resume(self, config: WaitUntilConfig, context: RunContext) -> Outcome:
        return Succeeded({**(context.state or {}), "waited_until": timezone.now().isoformat()})


def instant_of(value: object) -> datetime:
    """The instant, in UTC. Raises NodeFailure `invalid_instant`."""
    try:
        if isinstance(value, str):
            if not value[:4].isdigit() or "-" not in value:  # a number as text would be taken for seconds
                raise ValueError(value)
            return _INSTANT.validate_python(value).astimezone(UTC)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return datetime.fromtimestamp(value, UTC)
    except (ValidationError, ValueError, OverflowError, OSError):
        pass
    raise NodeFailure("invalid_instant", f"{EXPECTED}, found {shown(value)}.", is_final=True)
