"""What of a change may be written down: plain values, without secrets, and not too many of them."""

import re
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

import orjson
from django.db.models import Model, QuerySet

REDACTED = "(secret)"
MAX_TEXT = 500
MAX_ITEMS = 50
MAX_DEPTH = 6
MAX_BYTES = 8_000  # of `before`, and of `after`

_SECRET_NAME = re.compile(
    r"pass(word|wd|phrase|code)|secret|token|authorization|cookie|credentials|api_?key|private_?key|signature|recovery_?code|(^|_)otp", re.I
)
_IN_URL = re.compile(r"(?<=://)[^/@\s]+(?=@)")
_IN_HEADER = re.compile(r"\b(bearer|basic)\s+[\w.~+/=-]{8,}", re.I)


def changes(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> tuple[Any, Any]:
    """Both sides as they are stored: where both are given, only what differs."""
    if before is not None and after is not None:
        names = [name for name in {**before, **after} if before.get(name) != after.get(name)]
        before, after = ({name: side[name] for name in names if name in side} for side in (before, after))
    return _side(before), _side(after)


def plain_text(text: str, limit: int = MAX_TEXT) -> str:
    """Text that PostgreSQL keeps, with the secrets of URLs and headers taken out first, and then cut to `limit` characters."""
    text = text.encode("utf-8", "replace").decode().replace("\0", "")
    text = _IN_HEADER.sub(rf"\1 {REDACTED}", _IN_URL.sub(REDACTED, text))
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def _side(values: Mapping[str, Any] | None) -> Any:
    if values is None:
        return None
    kept = _value(values, MAX_DEPTH)
    size = len(orjson.dumps(kept))
    # The names of what changed say more than a cut document would.
    return (
        kept if size <= MAX_BYTES else {"left_out": f"{size} bytes", "fields": [plain_text(str(name), 80) for name in values][:MAX_ITEMS]}
    )


def _value(value: Any, depth: int) -> Any:
    """A plain value. Types that are not known to be plain are taken for secrets."""
    match value:
        case None | bool() | int() | float():
            return value if not isinstance(value, int) or abs(value) < 2**63 else str(value)
        case Enum():
            return _value(value.value, depth)
        case str():
            return _text(value, depth)
        case UUID() | Decimal() | timedelta():
            return str(value)
        case datetime() | date() | time():
            return value.isoformat()
        case Model():
            return plain_text(str(value))
        case Mapping() | list() | tuple() | set() | frozenset() | QuerySet() if depth == 0:
            return "…"
        case Mapping():
            return {plain_text(str(name), 80): _member(str(name), inner, depth - 1) for name, inner in list(value.items())[:MAX_ITEMS]}
        case list() | tuple() | set() | frozenset() | QuerySet():
            items = list(value)
            more = [f"… {len(items) - MAX_ITEMS} more"] if len(items) > MAX_ITEMS else []
            return [_value(inner, depth - 1) for inner in items[:MAX_ITEMS]] + more
    return REDACTED


def _member(name: str, value: Any, depth: int) -> Any:
    return REDACTED if _SECRET_NAME.search(name) and value not in (None, "", True, False) else _value(value, depth)


def _text(text: str, depth: int) -> Any:
    """A text that holds a JSON document, as some forms do, is looked into as well."""
    if depth and text[:1] in ("{", "["):
        try:
            return _value(orjson.loads(text), depth - 1)
        except orjson.JSONDecodeError:
            pass
    return plain_text(text)
