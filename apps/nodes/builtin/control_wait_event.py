"""Waiting for an event from outside."""

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field

from apps.engine.outcomes import Deferred, Outcome, Succeeded
from apps.engine.waits import NotACorrelationKeyError, correlation_key, event_signal, is_event_name
from apps.nodes.contract import NodeFailure, RunContext, is_constant
from apps.nodes.registry import register
from apps.nodes.waiting import ERRORS, WaitConfig, WaitNode

EVENT_NAME = "Expected a name of letters, digits, _ . / and -, which begins with a letter and has at most 128 characters"


class WaitEventConfig(WaitConfig):
    event: str = Field(title="Event", min_length=1)
    """Name of the event, such as `order.paid`."""
    correlation_key: Any = Field(default="", title="Correlation key")
    """Which of the events of this name: a text or a number, such as `${input.order_id}`. Empty: the events without a key."""


@register
class WaitEvent(WaitNode[WaitEventConfig]):
    """Wait for an event of this name and correlation key; the output is the event's payload.

    The first event that matches wakes the node, once; every node that waits for it is woken by it. A waiting node holds no process.
    """

    name = "control.wait_event"
    title = "Wait for an event"
    icon = "bell"
    errors: ClassVar = {
        **ERRORS,
        "invalid_event": "`event` is no name of an event",
        "invalid_correlation_key": "`correlation_key` is neither a text nor a number, or over 255 characters",
    }
    example: ClassVar = {"event": "order.paid", "correlation_key": "${input.order_id}", "timeout_seconds": 86400}
    Config: ClassVar = WaitEventConfig

    def check(self, config: Mapping[str, Any]) -> list[tuple[str, str]]:
        event, key = config.get("event"), config.get("correlation_key")
        faults = []
        if isinstance(event, str) and is_constant(event) and not is_event_name(event):
            faults.append(("/event", f"{EVENT_NAME}, found '{event[:60]}'."))
        try:
            if is_constant(key):
                correlation_key(key)
        except NotACorrelationKeyError as fault:
            faults.append(("/correlation_key", str(fault)))
        return faults

    def run(self, config: WaitEventConfig, context: RunContext) -> Outcome:
        if not is_event_name(config.event):
            raise NodeFailure("invalid_event", f"{EVENT_NAME}, found '{config.event[:60]}'.", is_final=True)
        try:
            key = correlation_key(config.correlation_key)
        except NotACorrelationKeyError as fault:
            raise NodeFailure("invalid_correlation_key", str(fault), is_final=True) from fault
        return Deferred(signal=event_signal(config.event, key), delay_seconds=config.timeout_seconds)

    def woken(self, signal: Mapping[str, Any]) -> Outcome:
        return Succeeded(signal["payload"])
