"""Date & Time, since version 2."""

from collections.abc import Callable

from apps.workflows.imports.errors import LeftOut
from apps.workflows.imports.javascript.cel import Cel
from apps.workflows.imports.javascript.methods import FORMATS, NOW, SECONDS
from apps.workflows.imports.n8n.registry import maps
from apps.workflows.imports.n8n.step import Step


@maps("dateTime", to=("data.set", "data.transform"), note="Now, add, subtract and the formats that are part of the ISO text. All in UTC.")
def date_time(step: Step) -> None:
    if step.node.version < 2:
        raise LeftOut("The first version of Date & Time has no counterpart: use an expression.")
    operation = step.plain("operation", "getCurrentDate")
    if operation not in _OPERATIONS:
        raise LeftOut(f"The operation '{operation}' of Date & Time has no counterpart: use an expression.")
    usual, make = _OPERATIONS[operation]
    name = step.plain("outputFieldName", usual)
    values = {name: f"${{{make(step).text}}}"}
    if step.options.get("includeInputFields") is True:
        given = {"kept": f"${{{step.value.text}}}", "set": values}
        step.leave(step.add("data.transform", {"expression": "$merge([kept, set])", "input": given}))
    else:
        step.leave(step.add("data.set", {"values": values}))


def _now(step: Step) -> Cel:
    step.remark("The current time is that at which the execution was made, in UTC.")
    return Cel(f"string({NOW.text})", "text")


def _instant(step: Step, name: str) -> Cel:
    found = step.cel(step.parameters.get(name, ""))
    return found if found.kind == "time" else Cel(f"timestamp({found.text})", "time")


def _moved(sign: str) -> Callable[[Step], Cel]:
    def move(step: Step) -> Cel:
        unit, amount = step.plain("timeUnit", "days"), step.cel(step.parameters.get("duration", 0))
        if unit not in SECONDS:
            raise LeftOut(f"The unit '{unit}' has no counterpart.")
        seconds = f'duration(string({amount.operand} * {SECONDS[unit]}) + "s")'
        return Cel(f"string({_instant(step, 'magnitude').operand} {sign} {seconds})", "text")

    return move


def _formatted(step: Step) -> Cel:
    wanted = step.plain("format", "MM/dd/yyyy")
    wanted = step.plain("customFormat") if wanted == "custom" else wanted
    if wanted not in FORMATS:
        raise LeftOut(f"The format '{wanted[:40]}' has no counterpart; there is one for {', '.join(FORMATS)}.")
    return Cel("string({}).substring({}, {})".format(_instant(step, "date").text, *FORMATS[wanted]), "text")


_OPERATIONS: dict[str, tuple[str, Callable[[Step], Cel]]] = {
    "getCurrentDate": ("currentDate", _now),
    "addToDate": ("newDate", _moved("+")),
    "subtractFromDate": ("newDate", _moved("-")),
    "formatDate": ("formattedDate", _formatted),
}
