"""Names of what node runs wait for: the same on the side that waits and on the side that wakes."""

import re

from apps.engine.problems import shown

EVENT_PATTERN = r"^[A-Za-z_][A-Za-z0-9_./-]{0,127}$"
MAX_CORRELATION_KEY = 255  # characters
WEBHOOK = "webhook"
BREAKPOINT = "breakpoint"
HUMAN_TASK = "$task"  # `apps/tasks/sql` knows it too
_EVENT = "event:"


class NotACorrelationKeyError(ValueError):
    """The value cannot tell one event from another."""


def event_signal(event: str, correlation_key: str) -> str:
    """What a node run waits for: `event:order.paid:A-1`. Names of events hold no colon, so that it is read in one way only."""
    return f"{_EVENT}{event}:{correlation_key}"


def is_event_name(text: str) -> bool:
    return re.match(EVENT_PATTERN, text) is not None and not text.endswith("\n")


def correlation_key(value: object) -> str:
    """The text of a key: texts are taken as they are, numbers as JSON writes them, and null as "".

    >>> correlation_key(17), correlation_key(17.0), correlation_key("A-1"), correlation_key(None)
    ('17', '17', 'A-1', '')

    Raises NotACorrelationKeyError.
    """
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise NotACorrelationKeyError(f"Expected a text or a number, found {shown(value)}.")
    text = str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
    if len(text) > MAX_CORRELATION_KEY:
        raise NotACorrelationKeyError(f"Expected at most {MAX_CORRELATION_KEY} characters, found {len(text)}.")
    return text
