"""JSON values on their way into CEL and out of it, weighed as they pass."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from cel_expr_python import cel

from apps.engine.expressions.errors import ExpressionError
from apps.engine.expressions.lexer import EXACT

MAX_INPUT = 256 * 1024
MAX_RESULT = 1024 * 1024
# What a value of a result counts beside its text, so that a result of many small values is bounded, too.
_SIZE_OF_VALUE = 8
_SCALARS = frozenset({"BOOL", "DOUBLE", "STRING", "INT", "NULL"})


@dataclass(frozen=True, slots=True)
class Weight:
    """How much a value holds.

    size      characters of its texts and keys, and one for each value
    items     entries of a list or an object, characters of a text
    largest   size of its largest entry
    """

    size: int = 1
    items: int = 1
    largest: int = 1


_LIGHT = Weight()


def to_cel(value: Any) -> tuple[Any, Weight]:
    """A JSON value with its numbers as doubles, and what it weighs.

    Integers beyond 2**53 stay integers: they can be compared and handed on, but not silently rounded.
    Raises ExpressionError when it is no JSON value, or over 256 KiB of text.
    """
    if value is None or isinstance(value, bool | float):
        return value, _LIGHT
    if isinstance(value, int):
        return (float(value) if -EXACT <= value <= EXACT else value), _LIGHT
    if isinstance(value, str):
        return value, _bounded(len(value) + 1, len(value), 1)
    if isinstance(value, Mapping):
        named = {key: to_cel(each) for key, each in value.items()}
        return {key: each for key, (each, _) in named.items()}, _weight_of([len(key) + weight.size for key, (_, weight) in named.items()])
    if isinstance(value, list | tuple):
        pairs = [to_cel(each) for each in value]
        return [each for each, _ in pairs], _weight_of([weight.size for _, weight in pairs])
    raise ExpressionError(f"Expected a JSON value to read, found a Python {type(value).__name__}.")


def _weight_of(sizes: list[int]) -> Weight:
    return _bounded(1 + sum(sizes), len(sizes), max(sizes, default=1))


def _bounded(size: int, items: int, largest: int) -> Weight:
    if size > MAX_INPUT:
        raise ExpressionError(f"An expression reads at most {MAX_INPUT // 1024} KiB of values; reshape large data with data.transform.")
    return Weight(size, items, largest)


def from_cel(value: cel.Value) -> Any:
    """The JSON value of a result: whole numbers as integers, instants and durations as text.

    Raises ExpressionError when it has none, or is over 1 MiB.
    """
    return _Reader().read(value)


class _Reader:
    # Value.plain_value() of a whole tree ends the process when an `optional` is in it, so trees are read one value at a time.

    def __init__(self) -> None:
        self._size = 0

    def read(self, value: cel.Value) -> Any:
        kind = value.type().name()
        if kind in _SCALARS:
            scalar = value.plain_value()
            self._count(len(scalar) if isinstance(scalar, str) else 0)
            return _number(scalar) if isinstance(scalar, float) else scalar
        self._count(0)
        return self._rare(value, kind)

    def _count(self, characters: int) -> None:
        self._size += _SIZE_OF_VALUE + characters
        if self._size > MAX_RESULT:
            raise ExpressionError(f"The result of an expression is at most {MAX_RESULT // 1024} KiB; this one is larger.")

    def _rare(self, value: cel.Value, kind: str) -> Any:
        if kind.startswith("LIST"):
            return [self.read(each) for each in value.value()]
        if kind.startswith("MAP"):
            # CEL keeps no order of keys; this one is the same in every process.
            return {self._key(key): self.read(each) for key, each in sorted(value.value().items(), key=lambda item: str(item[0]))}
        if kind in ("TIMESTAMP", "DURATION"):
            return text_of(value.plain_value())
        hint = "; write base64.encode(…) for bytes" if kind == "BYTES" else ""
        raise ExpressionError(f"The result is no JSON value but of type {kind.lower()}{hint}.")

    def _key(self, key: object) -> str:
        if not isinstance(key, str):
            raise ExpressionError(f"Keys of an object are texts; found {key!r}.")
        self._count(len(key))
        return key


def _number(value: float) -> int | float:
    if not math.isfinite(value):
        raise ExpressionError("The result is not a finite number.")
    return int(value) if value.is_integer() and abs(value) <= EXACT else value


def text_of(value: object) -> str:
    """What string(…) and text around an expression show: 3 for 3.0, true, 2026-01-31T12:00:00Z, 90s."""
    match value:
        case bool():
            return "true" if value else "false"
        case float():
            return str(_number(value))
        case bytes() | bytearray():
            return value.decode()
        case datetime():
            return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
        case timedelta():
            return f"{_number(value.total_seconds())}s"
    return str(value)
