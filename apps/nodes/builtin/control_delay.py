"""Waiting without a process."""

from collections.abc import Mapping
from datetime import UTC
from typing import Annotated, Any, ClassVar

from django.utils import timezone
from pydantic import AwareDatetime, BeforeValidator, Field

from apps.engine.outcomes import Deferred, Outcome, Succeeded
from apps.nodes.contract import Effect, NodeConfig, NodeType, RunContext
from apps.nodes.registry import register

MAX_SECONDS = 366 * 86_400


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    raise ValueError("Expected an instant as ISO 8601 text, such as 2030-01-31T09:00:00+01:00.")


class DelayConfig(NodeConfig):
    seconds: float | None = Field(default=None, title="Seconds", ge=0, le=MAX_SECONDS, allow_inf_nan=False)
    """How long to wait, up to 366 days. Give either this or `until`."""

    until: Annotated[AwareDatetime, BeforeValidator(_text)] | None = Field(default=None, title="Until")
    """The instant to wait for, in ISO 8601 with an offset: `2030-01-31T09:00:00+01:00`. One that has passed does not wait."""


@register
class Delay(NodeType[DelayConfig]):
    """Wait for some seconds or until an instant; the output is {"waited_until": instant}, when it went on.

    A waiting node holds no process, and outlives every restart.
    """

    name = "control.delay"
    title = "Delay"
    category = "control"
    icon = "clock"
    effect = Effect.PURE
    brief = True
    example: ClassVar = {"seconds": 30}
    Config: ClassVar = DelayConfig

    def check(self, config: Mapping[str, Any]) -> list[tuple[str, str]]:
        given = [name for name in ("seconds", "until") if config.get(name) is not None]
        return [] if len(given) == 1 else [("", "Expected either 'seconds' or 'until', found " + ("both." if given else "neither."))]

    def run(self, config: DelayConfig, context: RunContext) -> Outcome:
        return Deferred(until=config.until and config.until.astimezone(UTC), delay_seconds=config.seconds)

    def resume(self, config: DelayConfig, context: RunContext) -> Outcome:
        return Succeeded({"waited_until": timezone.now().isoformat()})
