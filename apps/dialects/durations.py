"""Spans of time as texts: "30s", "2h", "1h30m", "PT2H"; numbers are seconds."""

import re

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0, "w": 604_800.0}
_SHORT = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|[smhdw]))+")
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|[smhdw])")
_ISO = re.compile(r"P(?:(\d+)W)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?")
_ISO_UNITS = (604_800.0, 86_400.0, 3600.0, 60.0, 1.0)
EXPECTED = "a span of time such as 30s, 2h, 1h30m or PT2H, or a number of seconds"


class NotADurationError(ValueError):
    pass


def seconds_of(duration: str | float) -> float:
    """Seconds of a span of time. Raises NotADurationError.

    "30s" → 30.0   "2h" → 7200.0   "1h30m" → 5400.0   "PT2H" → 7200.0   5 → 5.0
    """
    if isinstance(duration, int | float):
        return float(duration)
    text = duration.strip()
    if text.isascii() and text.isdigit() and len(text) < 12:
        return float(text)
    if _SHORT.fullmatch(text):
        return sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(text))
    found = _ISO.fullmatch(text)
    if found is None or not any(found.groups()):
        raise NotADurationError(f"Expected {EXPECTED}, found '{text[:60]}'.")
    return sum(float(number) * unit for number, unit in zip(found.groups(), _ISO_UNITS, strict=True) if number)
