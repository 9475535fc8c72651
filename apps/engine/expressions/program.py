"""Compiling and evaluating by Google's CEL.

Programs are immutable, shared by all threads, and survive a fork.
"""

import math
import re
from dataclasses import dataclass
from datetime import datetime
from functools import cache, lru_cache
from typing import Any

import re2
from cel_expr_python import cel
from cel_expr_python.ext import ext_bindings, ext_encoders, ext_math, ext_strings

from apps.engine.expressions.emitter import MAX_LEAVES, MAX_NUMBERS, Emitted
from apps.engine.expressions.errors import ExpressionError
from apps.engine.expressions.values import from_cel, text_of

MAX_PATTERN = 1000
_PROGRAMS = 8192
_PATTERNS = 256
_PATTERN_BYTES = 1024 * 1024
_FAULT = re.compile(r"ERROR: <input>:(-?\d+):(-?\d+): (.*)")
_REFUSED_WHEN_COMPILED = re.compile(r"found no matching overload for '(?P<name>[^']*)' applied to '(?P<types>.*)'")
_REFUSED_WHEN_RUN = re.compile(r"No matching overloads found : (?:\((?P<receiver>[^()]*)\)\.)?(?P<name>[^(]*)(?P<types>\(.*\))?")
_ANY_TYPE = re.compile(r"T%\d+")
_NESTED_TYPE = re.compile(r"\b(list|map|type)\([^()]*(?:\([^()]*\)[^()]*)*\)")
_UNDECLARED = re.compile(r"undeclared reference to '([^']*)'")
_MISSING = re.compile(r'No value with name "v(\d+)" found')
_NO_ITEM = re.compile(r"index=(-?\d+) size=(\d+)")
_KIND = re.compile(r"^[A-Z_]+: ")
_WORDS = {
    "double": "number",
    "int64": "whole number",
    "int": "whole number",
    "string": "text",
    "bool": "true or false",
    "null_type": "null",
    "list": "array",
    "map": "object",
    "dyn": "any",
    "google.protobuf.Timestamp": "timestamp",
    "google.protobuf.Duration": "duration",
}
_ARITHMETIC = frozenset("+-*/%")
_OWN_NAMES = {
    "matches_": "matches",
    "substring_": "substring",
    "divide_": "/",
    "remainder_": "%",
    "string_": "string",
    "_?_:_": "? :",
    "_[_]": "[ ]",
    "@in": "in",
}


def _divide(left: float, right: float) -> float:
    if right == 0:
        raise ZeroDivisionError("division by zero")
    return left / right


def _remainder(left: float, right: float) -> float:
    if right == 0:
        raise ZeroDivisionError("remainder of a division by zero")
    return math.fmod(left, right)


def _whole(number: float) -> int:
    if not number.is_integer() or abs(number) >= 2**63:
        raise ValueError(f"expected a whole number, found {number}")
    return int(number)


@lru_cache(maxsize=_PATTERNS)
def _pattern(text: str) -> Any:
    if len(text) > MAX_PATTERN:
        raise ValueError(f"a pattern has at most {MAX_PATTERN} characters, found {len(text)}")
    options = re2.Options()
    options.log_errors = False
    options.max_mem = _PATTERN_BYTES
    try:
        return re2.compile(text, options)
    except re2.error as error:
        raise ValueError(f"no pattern of RE2: {error.args[0].decode(errors='replace')}") from None


def _matches(text: str, pattern: str) -> bool:
    # CEL's own would compile a pattern anew for each item of a list.
    return _pattern(pattern).search(text) is not None


def _substring(text: str, start: int, end: int | None = None) -> str:
    # CEL's own refuses an end that is the length of the text.
    last = len(text) if end is None else end
    if not 0 <= start <= last <= len(text):
        wanted, found = ("a start", f"{start}") if end is None else ("a start and an end after it", f"{start} to {end}")
        raise ValueError(f"'substring' takes {wanted}, from 0 to {len(text)}, the length of the text; found {found}")
    return text[start:last]


def _same(value: str | datetime) -> str | datetime:
    return value


@cache
def _environment() -> cel.Env:
    kinds = cel.Type
    two = [kinds.DOUBLE, kinds.DOUBLE]
    shown = (kinds.DOUBLE, kinds.INT, kinds.STRING, kinds.BOOL, kinds.BYTES, kinds.TIMESTAMP, kinds.DURATION)
    return cel.NewEnv(
        variables={
            **{f"v{number}": kinds.DYN for number in range(MAX_LEAVES)},
            **{f"n{number}": kinds.DOUBLE for number in range(MAX_NUMBERS)},
        },
        extensions=[ext_strings.ExtStrings(), ext_math.ExtMath(), ext_encoders.ExtEncoders(), ext_bindings.ExtBindings()],
        functions=[
            cel.FunctionDecl("divide_", [cel.Overload("divide_doubles", kinds.DOUBLE, two, False, _divide)]),
            cel.FunctionDecl("remainder_", [cel.Overload("remainder_doubles", kinds.DOUBLE, two, False, _remainder)]),
            cel.FunctionDecl(
                "whole_",
                [
                    cel.Overload("whole_double", kinds.INT, [kinds.DOUBLE], False, _whole),
                    cel.Overload("whole_string", kinds.STRING, [kinds.STRING], False, _same),
                    cel.Overload("whole_timestamp", kinds.TIMESTAMP, [kinds.TIMESTAMP], False, _same),
                ],
            ),
            cel.FunctionDecl("matches_", [cel.Overload("matches_strings", kinds.BOOL, [kinds.STRING, kinds.STRING], False, _matches)]),
            cel.FunctionDecl(
                "substring_",
                [
                    cel.Overload("substring_from", kinds.STRING, [kinds.STRING, kinds.INT], False, _substring),
                    cel.Overload("substring_between", kinds.STRING, [kinds.STRING, kinds.INT, kinds.INT], False, _substring),
                ],
            ),
            cel.FunctionDecl("string_", [cel.Overload(f"string_{kind.name()}", kinds.STRING, [kind], False, text_of) for kind in shown]),
        ],
    )


@lru_cache(maxsize=_PROGRAMS)
def _compiled(text: str) -> cel.Expression | str:
    # The fault is a value, so that it is kept as well.
    try:
        return _environment().compile(text)
    except RuntimeError as error:
        return str(error)


def compile_program(emitted: Emitted, expression: str) -> cel.Expression:
    """Compile CEL text. Raises ExpressionError with the offset in the expression that it was made of."""
    program = _compiled(emitted.text)
    if not isinstance(program, str):
        return program
    match = _FAULT.search(program)
    if match is None or int(match[2]) < 1:
        raise ExpressionError(_in_words(program), expression=expression)
    line, column, message = int(match[1]), int(match[2]), match[3]
    offset = emitted.origin(column - 1) if line == 1 else None
    raise ExpressionError(_in_words(message), expression=expression, offset=offset)


@dataclass(frozen=True, slots=True)
class Missing:
    """The result needs the value of variable v<number>, which is not there."""

    number: int


def run_program(program: cel.Expression, values: dict[str, object]) -> Any:
    """Evaluate; the result is a JSON value, or Missing. Raises ExpressionError.

    values   {"v0": value, "n0": number, …}; those that are not there matter only where they are needed
    """
    try:
        result = program.eval(data=values)
        fault = str(result.plain_value()) if result.type() == cel.Type.ERROR else None
        if fault is None:
            return from_cel(result)
    except (RuntimeError, TypeError, ValueError, OverflowError, SystemError) as error:
        raise ExpressionError(_in_words(str(error))) from error
    if missing := _MISSING.search(fault):
        return Missing(int(missing[1]))
    raise ExpressionError(_in_words(fault))


def _in_words(fault: str) -> str:
    """CEL's message, in the words of JSON."""
    if "recursion" in fault:
        return "The expression is too deep: at most 32 operations inside one another or in a row."
    if "teration budget" in fault:
        return "The expression takes too many steps; reshape large data with data.transform."
    fault = _KIND.sub("", fault.partition("\n")[0]).removesuffix(" [INVALID_ARGUMENT]").removesuffix(" (in container '')")
    if match := _REFUSED_WHEN_COMPILED.search(fault) or _REFUSED_WHEN_RUN.search(fault):
        return _refusal(**match.groupdict())
    if match := _UNDECLARED.search(fault):
        # The parser has seen to it that the function exists.
        return f"'{_OWN_NAMES.get(match[1], match[1])}' does not take this number of arguments."
    if match := _NO_ITEM.search(fault):
        return f"There is no item {match[1]}: the array has {match[2]}."
    if "expected integer type" in fault:
        return "An item of an array is named by a whole number; this is none."
    if "Key not found in map" in fault:
        return f"There is no {fault.partition(':')[2].strip()} in the object."
    if "SELECT to non-message" in fault:
        return "Only an object has named fields; this value is none."
    return fault[:1].upper() + fault[1:].rstrip(".") + "."


def _refusal(name: str, types: str | None, receiver: str | None = None) -> str:
    """That an operator or function does not take values of these types."""
    inner = _NESTED_TYPE.sub(r"\1", _ANY_TYPE.sub("dyn", (types or "()").strip()[1:-1]))
    words = [_WORDS.get(word, word) for word in (part.strip() for part in [receiver or "", *inner.split(",")]) if word]
    found = f"({', '.join(words)})" if words else "values of these types"
    if name == "whole_":
        return f"Expected a whole number, found {found}."
    name = _OWN_NAMES.get(name, name.strip("_"))
    return f"'{name}' does not take {found}.{_hint(name, words)}"


def _hint(name: str, words: list[str]) -> str:
    if name in _ARITHMETIC and _WORDS["int"] in words:
        return " An integer beyond 2^53 can be compared and handed on, but not calculated with."
    return " Write string(…) around what is not a text." if name == "+" and "text" in words else ""
