"""When two JSON values are the same, and where they differ."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

import orjson

from apps.engine.pointers import pointer_to

MISSING: Final[Any] = object()
"""Stands for a value that is not there; None is JSON's null."""

_MAY_HOLD_WHOLE_FLOATS = re.compile(rb"[0-9]\.0(?![0-9])|[0-9][eE]")
_SMALLEST, _BEYOND = -(2.0**63), 2.0**64


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One place at which two documents differ.

    path      keys and indexes that lead to the place, within whatever was compared
    old, new  MISSING where there was nothing, or nothing is left
    """

    path: tuple[str | int, ...]
    old: Any
    new: Any

    @property
    def pointer(self) -> str:
        """JSON pointer of the place."""
        return pointer_to(*self.path)

    def as_json(self) -> dict[str, Any]:
        """{"path": str, "old": any, "new": any}; `old` and `new` are left out where they are missing."""
        return {"path": self.pointer, **present({"old": self.old, "new": self.new})}


def present(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values that are there."""
    return {name: value for name, value in values.items() if value is not MISSING}


def canonical_json(value: object) -> bytes:
    """The same bytes for the same JSON value: keys in order, and whole numbers in one form, since to JSON 1 and 1.0 are one number."""
    raw = orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    # Most documents have no such number, and a walk through all their values takes ten times as long.
    return orjson.dumps(_whole(value), option=orjson.OPT_SORT_KEYS) if _MAY_HOLD_WHOLE_FLOATS.search(raw) else raw


def same(one: object, other: object) -> bool:
    """Whether two values are the same JSON; true is not 1, and MISSING is the same as itself alone."""
    if one is MISSING or other is MISSING:
        return one is other
    # Python's own equality takes true for 1.
    return one is other or canonical_json(one) == canonical_json(other)


def field_changes(old: object, new: object, *path: str | int) -> Iterator[FieldChange]:
    """The innermost places at which two values differ. Arrays are compared item by item where they are of one length, else as a whole.

    path   of the values themselves
    """
    if same(old, new):
        return
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for name in dict.fromkeys((*old, *new)):
            yield from field_changes(old.get(name, MISSING), new.get(name, MISSING), *path, name)
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for index, (one, other) in enumerate(zip(old, new, strict=True)):
            yield from field_changes(one, other, *path, index)
    else:
        yield FieldChange(path, old, new)


def value_at(value: Any, path: Iterable[str | int]) -> Any:
    """What stands at a place, MISSING where there is nothing."""
    for part in path:
        if isinstance(value, Mapping):
            value = value.get(part, MISSING)
        elif isinstance(value, list) and isinstance(part, int) and part < len(value):
            value = value[part]
        else:
            return MISSING
    return value


def _whole(value: Any) -> Any:
    """The value with integers in place of floats that are whole and fit: the integers that PostgreSQL makes of them, by their digits."""
    if isinstance(value, float):
        return int(Decimal(repr(value))) if value.is_integer() and _SMALLEST < value < _BEYOND else value
    if isinstance(value, Mapping):
        return {name: _whole(each) for name, each in value.items()}
    return [_whole(each) for each in value] if isinstance(value, list | tuple) else value
