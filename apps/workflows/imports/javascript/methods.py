"""What methods and functions of JavaScript are in CEL."""

from collections.abc import Callable, Sequence
from typing import Protocol

from apps.workflows.imports.errors import LeftOut
from apps.workflows.imports.javascript import cel
from apps.workflows.imports.javascript.cel import Cel
from apps.workflows.imports.javascript.syntax import Expression, Literal, Object

NOW = Cel("timestamp(execution.created_at)", "time")

# Parts of an instant, months and days counted as Luxon counts them.
TIME_PARTS = {
    "year": "{}.getFullYear()",
    "month": "{}.getMonth() + 1",
    "day": "{}.getDate()",
    "hour": "{}.getHours()",
    "minute": "{}.getMinutes()",
    "second": "{}.getSeconds()",
}
_TIME_METHODS = {
    "getFullYear": "{}.getFullYear()",
    "getMonth": "{}.getMonth()",
    "getDate": "{}.getDate()",
    "getDay": "{}.getDayOfWeek()",
    "getHours": "{}.getHours()",
    "getMinutes": "{}.getMinutes()",
    "getSeconds": "{}.getSeconds()",
}
# Formats that are a piece of the ISO text: (first character, one behind the last).
FORMATS = {"yyyy-MM-dd": (0, 10), "yyyy-MM": (0, 7), "yyyy": (0, 4), "MM": (5, 7), "dd": (8, 10), "HH:mm:ss": (11, 19), "HH:mm": (11, 16)}
SECONDS = {"seconds": 1, "second": 1, "minutes": 60, "minute": 60, "hours": 3600, "hour": 3600, "days": 86400, "day": 86400}
SECONDS |= {"weeks": 604800, "week": 604800}


class _Emitter(Protocol):
    def emit(self, expression: Expression) -> Cel: ...

    def arrow(self, function: Expression, of: str) -> tuple[str, Cel]: ...


_Method = Callable[[_Emitter, Cel, Sequence[Expression]], Cel]
_METHODS: dict[str, _Method] = {}


def _method(*names: str) -> Callable[[_Method], _Method]:
    def register(function: _Method) -> _Method:
        _METHODS.update(dict.fromkeys(names, function))
        return function

    return register


def call_method(emitter: _Emitter, of: Cel, name: str, arguments: Sequence[Expression]) -> Cel:
    """of.name(arguments). Raises LeftOut where there is no counterpart."""
    if name in _PLAIN:
        written, kind, count = _PLAIN[name]
        if len(arguments) != count:
            raise LeftOut(f"'.{name}()' with {len(arguments)} arguments has no counterpart.")
        return Cel(f"{of.operand}.{written}({', '.join(emitter.emit(each).text for each in arguments)})", kind)
    if of.kind == "time" and name in _TIME_METHODS and not arguments:
        return Cel(_TIME_METHODS[name].format(of.operand), "number")
    if name not in _METHODS:
        raise LeftOut(f"The method '.{name}()' has no counterpart.")
    return _METHODS[name](emitter, of, arguments)


# {name: (name in CEL, kind of the result, number of arguments)}
_PLAIN = {
    "toUpperCase": ("upperAscii", "text", 0),
    "toLowerCase": ("lowerAscii", "text", 0),
    "trim": ("trim", "text", 0),
    "startsWith": ("startsWith", "bool", 1),
    "endsWith": ("endsWith", "bool", 1),
    "split": ("split", "list", 1),
    "charAt": ("charAt", "text", 1),
}


def _one(arguments: Sequence[Expression], name: str) -> Expression:
    if len(arguments) != 1:
        raise LeftOut(f"'.{name}()' with {len(arguments)} arguments has no counterpart.")
    return arguments[0]


@_method("includes")
def _includes(emitter: _Emitter, of: Cel, arguments: Sequence[Expression]) -> Cel:
    wanted = emitter.emit(_one(arguments, "includes"))
    contains, holds = f"{of.operand}.contains({wanted.text})", f"{wanted.operand} in {of.operand}"
    if of.kind == "text":
        return Cel(contains, "bool")
    if of.kind == "list" or wanted.kind in ("number", "bool", "object"):
        return Cel(holds, "bool", is_atom=False)
    return Cel(f"type({of.text}) == list ? {holds} : {contains}", "bool", is_atom=False)


@_method("indexOf")
def _index_of(emitter: _Emitter, of: Cel, arguments: Sequence[Expression]) -> Cel:
    wanted = emitter.emit(_one(arguments, "indexOf"))
    if of.kind != "text" and wanted.kind != "text":
        raise LeftOut("'.indexOf()' of a list has no counterpart.")
    return Cel(f"{of.operand}.indexOf({wanted.text})", "number")


def _replaced(limit: str) -> _Method:
    def replace(emitter: _Emitter, of: Cel, arguments: Sequence[Expression]) -> Cel:
        if len(arguments) != 2:
            raise LeftOut("'.replace()' takes a text and another in its place.")
        old, new = (emitter.emit(each) for each in arguments)
        if "$" in new.text:
            raise LeftOut("'.replace()' with '$' in the new text has no counterpart.")
        return Cel(f"{of.operand}.replace({old.text}, {new.text}{limit})", "text")

    return replace


_METHODS["replace"] = _replaced(", 1")
_METHODS["replaceAll"] = _replaced("")


@_method("slice", "substring")
def _slice(emitter: _Emitter, of: Cel, arguments: Sequence[Expression]) -> Cel:
    bounds = [each.value for each in arguments if isinstance(each, Literal) and isinstance(each.value, float)]
    if of.kind == "list" or len(bounds) != len(arguments) or not 1 <= len(bounds) <= 2 or sorted(bounds) != bounds:
        raise LeftOut("'.slice()' has a counterpart for texts and constant bounds from 0 on alone.")
    size, start = f"size({of.text})", cel.of_number(bounds[0]).text
    piece = f"{of.operand}.substring({start})"
    if len(bounds) == 2:
        # CEL refuses bounds behind the end, where JavaScript stops at the end.
        end = cel.of_number(bounds[1]).text
        piece = f"({size} <= {end} ? {piece} : {of.operand}.substring({start}, {end}))"
    return Cel(piece if start == "0" else f'({size} <= {start} ? "" : {piece})', "text")


@_method("join")
def _join(emitter: _Emitter, of: Cel, arguments: Sequence[Expression]) -> Cel:
    by = emitter.emit(_one(arguments, "join")).text if arguments else '","'
    return Cel(f"{of.operand}.map(each_, string(each_)).join({by})", "text")


@_method("map")
def _map(emitter: _Emitter, of: Cel, arguments: Sequence[Expression]) -> Cel:
    variable, body = emitter.arrow(_one(arguments, "map"), "map")
    return Cel(f"{of.operand}.map({variable}, {body.text})", "list")


def _by_condition(name: str, written: str, kind: str) -> _Method:
    def run(emitter: _Emitter, of: Cel, arguments: Sequence[Expression]) -> Cel:
        variable, body = emitter.arrow(_one(arguments, name), name)
        return Cel(f"{of.operand}.{written}({variable}, {cel.truth(body).text})", kind)

    return run


_METHODS["filter"] = _by_condition("filter", "filter", "list")
_METHODS["some"] = _by_condition("some", "exists", "bool")
_METHODS["every"] = _by_condition("every", "all", "bool")


@_method("find")
def _find(emitter: _Emitter, of: Cel, arguments: Sequence[Expression]) -> Cel:
    found = _METHODS["filter"](emitter, of, arguments).text
    return Cel(f"size({found}) > 0 ? dyn({found}[0]) : dyn(null)", is_atom=False)


@_method("toString")
def _to_string(emitter: _Emitter, of: Cel, arguments: Sequence[Expression]) -> Cel:
    return cel.as_text(of)


@_method("toNumber")
def _to_number(emitter: _Emitter, of: Cel, arguments: Sequence[Expression]) -> Cel:
    return Cel(f"double({of.text})", "number")


@_method("isEmpty")
def _is_empty(emitter: _Emitter, of: Cel, arguments: Sequence[Expression]) -> Cel:
    missing = cel.is_missing(of)
    return Cel(f"{missing.text} || size({of.text}) == 0", "bool", is_atom=False)


@_method("isNotEmpty")
def _is_not_empty(emitter: _Emitter, of: Cel, arguments: Sequence[Expression]) -> Cel:
    return cel.negated(_is_empty(emitter, of, arguments))


@_method("toDateTime")
def _to_time(emitter: _Emitter, of: Cel, arguments: Sequence[Expression]) -> Cel:
    return Cel(f"timestamp({of.text})", "time")


@_method("toISO", "toISOString", "toISODate", "toISOTime", "toFormat", "format")
def _formatted(emitter: _Emitter, of: Cel, arguments: Sequence[Expression]) -> Cel:
    if of.kind != "time":
        raise LeftOut("A text that is formatted as an instant has no counterpart.")
    if not arguments:
        return Cel(f"string({of.text})", "text")
    wanted = arguments[0].value if isinstance(arguments[0], Literal) else None
    if wanted not in FORMATS:
        raise LeftOut(f"The format of an instant {wanted!r} has no counterpart; there is one for {', '.join(FORMATS)}.")
    return Cel("string({}).substring({}, {})".format(of.text, *FORMATS[wanted]), "text")


def _moved(sign: str) -> _Method:
    def move(emitter: _Emitter, of: Cel, arguments: Sequence[Expression]) -> Cel:
        if of.kind != "time":
            raise LeftOut("Adding to something that is no instant has no counterpart.")
        return Cel(f"{of.operand} {sign} duration({_seconds(emitter, arguments)})", "time", is_atom=False)

    return move


_METHODS["plus"], _METHODS["minus"] = _moved("+"), _moved("-")


def _seconds(emitter: _Emitter, arguments: Sequence[Expression]) -> str:
    """The text of a duration: of `{days: 1}`, or of `1, "days"`."""
    match list(arguments):
        case [Object(entries)] if entries:
            amounts = list(entries)
        case [amount, Literal(str(unit))]:
            amounts = [(unit, amount)]
        case _:
            raise LeftOut("What is added to the instant has no counterpart.")
    if unknown := [unit for unit, _ in amounts if unit not in SECONDS]:
        raise LeftOut(f"The unit '{unknown[0]}' has no counterpart; weeks, days, hours, minutes and seconds have.")
    seconds = " + ".join(f"{emitter.emit(amount).operand} * {SECONDS[unit]}" for unit, amount in amounts)
    return f'string({seconds}) + "s"'


def call_function(name: str, arguments: Sequence[Cel]) -> Cel:
    """name(arguments). Raises LeftOut where there is no counterpart."""
    if name in ("DateTime.now", "new Date", "Date.now") and not arguments:
        return NOW if name != "Date.now" else _refuse(name)
    if name not in _FUNCTIONS:
        return _refuse(name)
    written, kind, least, most = _FUNCTIONS[name]
    if not least <= len(arguments) <= most:
        raise LeftOut(f"'{name}()' with {len(arguments)} arguments has no counterpart.")
    return Cel(written.format(", ".join(each.text for each in arguments)), kind)


def _refuse(name: str) -> Cel:
    raise LeftOut(f"The function '{name}()' has no counterpart.")


# {name: (CEL with {} for the arguments, kind of the result, fewest and most arguments)}
_FUNCTIONS = {
    "String": ("string({})", "text", 1, 1),
    "Number": ("double({})", "number", 1, 1),
    "parseFloat": ("double({})", "number", 1, 1),
    "parseInt": ("math.trunc(double({}))", "number", 1, 1),
    "Boolean": ("bool({})", "bool", 1, 1),
    "Math.abs": ("math.abs({})", "number", 1, 1),
    "Math.ceil": ("math.ceil({})", "number", 1, 1),
    "Math.round": ("math.floor({} + 0.5)", "number", 1, 1),
    "Math.floor": ("math.floor({})", "number", 1, 1),
    "Math.trunc": ("math.trunc({})", "number", 1, 1),
    "Math.sqrt": ("math.sqrt({})", "number", 1, 1),
    "Math.max": ("math.greatest({})", "number", 1, 10),
    "Math.min": ("math.least({})", "number", 1, 10),
    "Array.isArray": ("(type({}) == list)", "bool", 1, 1),
    "new Date": ("timestamp({})", "time", 1, 1),
    "DateTime.fromISO": ("timestamp({})", "time", 1, 1),
}
