"""The functions that an expression may call: of CEL's standard library and extensions, those that suit JSON.

CEL's `optional` values are not among them, since the library cannot hand them out; x.?y.orValue(z) is read as has(x.y) ? x.y : z.
JSON has one kind of number, so every number is a double here. What CEL counts in integers is converted on the way in and out.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Function:
    """How a call is written in CEL.

    whole_arguments   positions that CEL wants as integers
    gives_whole       whether CEL answers with an integer
    written           its name in CEL where that differs; our own end in "_"
    is_global         whether the receiver is written as the first argument
    """

    whole_arguments: frozenset[int] = frozenset()
    gives_whole: bool = False
    written: str | None = None
    is_global: bool = False


_PLAIN = Function()
_MATCHES = Function(written="matches_", is_global=True)
_COUNT = Function(gives_whole=True)

GLOBAL: dict[str, Function] = {
    **dict.fromkeys(("bool", "bytes", "double", "duration", "dyn", "type"), _PLAIN),
    **dict.fromkeys(("math.abs", "math.ceil", "math.floor", "math.round", "math.trunc", "math.sign", "math.sqrt"), _PLAIN),
    **dict.fromkeys(("math.greatest", "math.least", "math.isNaN", "math.isInf", "math.isFinite"), _PLAIN),
    **dict.fromkeys(("base64.encode", "base64.decode", "strings.quote"), _PLAIN),
    "size": _COUNT,
    "int": _COUNT,
    "string": Function(written="string_"),
    "matches": _MATCHES,
    "timestamp": Function(whole_arguments=frozenset({0})),
}

_CALENDAR = ("FullYear", "Month", "Date", "DayOfMonth", "DayOfWeek", "DayOfYear", "Hours", "Minutes", "Seconds", "Milliseconds")

MEMBER: dict[str, Function] = {
    **dict.fromkeys(("contains", "startsWith", "endsWith", "join", "lowerAscii", "upperAscii", "trim", "reverse"), _PLAIN),
    **{f"get{part}": _COUNT for part in _CALENDAR},
    "size": _COUNT,
    "indexOf": Function(whole_arguments=frozenset({1}), gives_whole=True),
    "lastIndexOf": Function(whole_arguments=frozenset({1}), gives_whole=True),
    "matches": _MATCHES,
    "charAt": Function(whole_arguments=frozenset({0})),
    "substring": Function(whole_arguments=frozenset({1, 2}), written="substring_", is_global=True),
    "replace": Function(whole_arguments=frozenset({2})),
    "split": Function(whole_arguments=frozenset({1})),
}

MACROS = frozenset({"map", "filter", "all", "exists", "exists_one"})
NAMESPACES = frozenset(name.split(".")[0] for name in GLOBAL if "." in name) | {"cel"}
TYPES = frozenset({"bool", "bytes", "double", "string", "list", "map", "null_type"})
