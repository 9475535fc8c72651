"""What counts as a JSON value here: what PostgreSQL stores and every other reader of JSON can read back unchanged.

Refused: NaN and infinities, integers beyond 64 bit, NUL and lone surrogates in text, keys that are not text, other types, and more than
64 levels.
"""

import json
import math
import re
from collections.abc import Mapping
from typing import Any

import orjson

from apps.engine.errors import InvalidError
from apps.engine.pointers import pointer_to

MAX_DEPTH = 64
_SMALLEST, _LARGEST = -(2**63), 2**64 - 1
# Types that would be written as texts are refused: what a node returns is what its readers get.
_AS_THEY_ARE = orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_DATACLASS
_INDENT = b"  "
_MANY_DIGITS = re.compile(rb"[0-9]{19}")
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


class InvalidJsonError(InvalidError):
    """A value is not JSON, or text is not JSON text; `pointer` says where, "" for the whole."""

    code = "not_json"

    def __init__(self, message: str, /, pointer: str = "", **details: Any) -> None:
        super().__init__(message, pointer=pointer, **details)
        self.pointer = pointer


class JsonTooLargeError(InvalidJsonError):
    """JSON text is longer than allowed."""

    code = "json_too_large"


def clean_json(value: object) -> Any:
    """Return a plain copy of a JSON value; tuples become arrays. Raises InvalidJsonError."""
    pretty = _pretty(value)
    copy = orjson.loads(pretty)
    # orjson writes NaN as null and a UUID as text: a copy that differs shows it, as it shows a harmless tuple.
    if copy != value or b"\\u0000" in pretty or _may_be_deep(pretty, MAX_DEPTH):
        _find_fault(value, (), MAX_DEPTH)
    return copy


def check_json(value: object) -> None:
    """Raise InvalidJsonError unless the value is JSON."""
    clean_json(value)


def loads(raw: bytes, *, max_bytes: int, max_depth: int = MAX_DEPTH) -> Any:
    """Read JSON text from outside.

    Beyond the syntax, refuses a key given twice, and what `check_json` refuses.
    Raises JsonTooLargeError, before the text is parsed, or InvalidJsonError.
    """
    if len(raw) > max_bytes:
        raise JsonTooLargeError(f"Expected at most {max_bytes} bytes of JSON, found {len(raw)}.", max_bytes=max_bytes, size_bytes=len(raw))
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise _syntax_error(raw, error) from error
    pretty = _pretty(value)
    if _may_be_deep(pretty, max_depth):
        _find_fault(value, (), max_depth)
    if _MANY_DIGITS.search(raw) or b"\\u0000" in raw or _may_repeat_keys(raw, pretty):
        # int(text[:25]) of a number of a million digits is still beyond 64 bit, and cheap.
        value = json.loads(raw, object_pairs_hook=_unique, parse_int=lambda text: int(text[:25]))
        _find_fault(value, (), max_depth)
    return value


def _syntax_error(raw: bytes, error: orjson.JSONDecodeError) -> InvalidJsonError:
    try:
        raw.decode()
    except UnicodeDecodeError as fault:
        return InvalidJsonError(
            f"Expected JSON in UTF-8, found the byte 0x{raw[fault.start]:02x} at offset {fault.start}.", offset=fault.start
        )
    if "depth limit" in error.msg:
        return InvalidJsonError(f"Expected at most {MAX_DEPTH} levels of nesting, found over 1,000.")
    return InvalidJsonError(f"Not JSON: {error.msg} (line {error.lineno}, column {error.colno}).", line=error.lineno, column=error.colno)


def _pretty(value: object) -> bytes:
    """The value as indented JSON text. Raises InvalidJsonError where orjson cannot write it."""
    try:
        return orjson.dumps(value, option=_AS_THEY_ARE | orjson.OPT_INDENT_2)
    except (orjson.JSONEncodeError, RecursionError) as error:
        _find_fault(value, (), MAX_DEPTH)
        raise InvalidJsonError(f"Expected a JSON value: {error}.") from error


def _may_be_deep(pretty: bytes, max_depth: int) -> bool:
    """Whether indented JSON text has a line that lies this deep; a line begins only outside of texts."""
    return b"\n" + _INDENT * max_depth in pretty


def _may_repeat_keys(raw: bytes, pretty: bytes) -> bool:
    # A repeated key is dropped by the parser, and a colon with it.
    return raw.count(b":") != pretty.count(b":")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    unique = dict(pairs)
    if len(unique) < len(pairs):
        repeated = next(name for index, (name, _) in enumerate(pairs) if any(name == other for other, _ in pairs[:index]))
        raise InvalidJsonError(f"The key '{repeated}' is given twice in one object.", key=repeated)
    return unique


def _find_fault(value: object, path: tuple[str | int, ...], max_depth: int) -> None:
    """Raise InvalidJsonError at the first fault; return when there is none."""
    if fault := _fault_of(value, len(path), max_depth):
        raise InvalidJsonError(fault, pointer=pointer_to(*path))
    if isinstance(value, Mapping):
        for key, each in value.items():
            if fault := _fault_of_key(key):
                raise InvalidJsonError(fault, pointer=pointer_to(*path))
            _find_fault(each, (*path, key), max_depth)
    elif isinstance(value, list | tuple):
        for index, each in enumerate(value):
            _find_fault(each, (*path, index), max_depth)


def _fault_of(value: object, depth: int, max_depth: int) -> str | None:
    match value:
        case None | bool():
            return None
        case str():
            return _fault_of_text(value)
        case int():
            return None if _SMALLEST <= value <= _LARGEST else "Expected an integer of at most 64 bits, found a longer one."
        case float():
            return None if math.isfinite(value) else f"Expected a finite number, found {value}."
        case dict() | list() | tuple():
            return None if depth < max_depth else f"Expected at most {max_depth} levels of nesting, found more."
    return f"Expected a JSON value, found a Python {type(value).__name__}."


def _fault_of_key(key: object) -> str | None:
    return _fault_of_text(key) if isinstance(key, str) else f"Expected keys that are texts, found a Python {type(key).__name__}."


def _fault_of_text(text: str) -> str | None:
    if "\0" in text:
        return "Expected text without NUL (\\u0000), found one."
    return "Expected text without lone surrogates, found one." if _LONE_SURROGATE.search(text) else None
