"""Setting fields."""

from collections.abc import Mapping
from typing import Any

from apps.workflows.imports.errors import LeftOut
from apps.workflows.imports.javascript.cel import Cel
from apps.workflows.imports.n8n.registry import maps
from apps.workflows.imports.n8n.step import Step

_MAX_DEPTH = 10


@maps("set", to=("data.set", "data.transform"), note="Edit Fields. With the other fields kept: a data.transform that puts both together.")
def set_fields(step: Step) -> None:
    if step.plain("mode", "manual") == "raw":
        values, keeps = step.json(step.parameters.get("jsonOutput", "{}")), _keeps_new(step)
    elif step.node.version >= 3:
        values, keeps = _assigned(step), _keeps_new(step)
    else:
        values, keeps = _old_values(step), step.parameters.get("keepOnlySet") is not True
    _draw(step, values, keeps=keeps)


def _draw(step: Step, values: Any, *, keeps: bool) -> None:
    if keeps:
        if isinstance(values, dict) and any(isinstance(each, dict) for each in values.values()):
            step.remark("An object that it sets replaces the one that was there as a whole.")
        given = {"kept": f"${{{step.value.text}}}", "set": values}
        step.leave(step.add("data.transform", {"expression": "$merge([kept, set])", "input": given}))
    elif isinstance(values, dict) and values:
        step.leave(step.add("data.set", {"values": values}))
    else:
        step.leave(step.add("data.transform", {"expression": "$", "input": values}))


def _keeps_new(step: Step) -> bool:
    """Whether the other fields of the item stay, since version 3."""
    if step.node.version < 3.3:
        include = step.plain("include", "all")
        if include not in ("all", "none"):
            raise LeftOut("It keeps some of the other fields by name.")
        return include == "all"
    if step.parameters.get("includeOtherFields") is not True:
        return False
    if step.plain("include", "all") != "all":
        raise LeftOut("It keeps some of the other fields by name.")
    return True


def _assigned(step: Step) -> dict[str, Any]:
    """`{"assignments": [{"name", "type", "value"}]}` of 3.3, or `{"values": [{"name", "type", "stringValue"}]}` of 3.0."""
    found = step.object("assignments").get("assignments", step.object("fields").get("values", []))
    values: dict[str, Any] = {}
    for each in found if isinstance(found, list) else ():
        if not isinstance(each, Mapping):
            raise LeftOut("Its fields cannot be read.")
        kind = str(each.get("type", "string")).removesuffix("Value")
        value = each.get("value", each.get(f"{kind}Value", ""))
        _put(step, values, each.get("name"), _typed(step, value, kind))
    return values


def _old_values(step: Step) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for kind, found in step.object("values").items():
        for each in found if isinstance(found, list) else ():
            if not isinstance(each, Mapping):
                raise LeftOut("Its fields cannot be read.")
            _put(step, values, each.get("name"), _typed(step, each.get("value", ""), kind))
    return values


def _typed(step: Step, value: Any, kind: str) -> Any:
    """A value as the type that the field is said to have; an expression keeps what it gives, but for texts."""
    if isinstance(value, str) and value.startswith("="):
        if kind == "string":
            return _text(step.cel(value))
        return step.json(value) if kind in ("array", "object") else step.translated(value)
    match kind:
        case "number" if isinstance(value, str):
            return _number(value)
        case "boolean" if isinstance(value, str):
            return value.lower() == "true"
        case "array" | "object":
            return step.json(value)
    return step.translated(value)


def _text(piece: Cel) -> str:
    return (
        f"${{{piece.text}}}"
        if piece.kind == "text"
        else f"${{string({piece.text})}}"
        if piece.kind in ("number", "bool", "time")
        else f"${{{piece.text}}}"
    )


def _number(text: str) -> float | int:
    try:
        found = float(text)
    except ValueError:
        raise LeftOut(f"A field is to be a number, and is '{text[:40]}'.") from None
    if found != found or abs(found) == float("inf"):
        raise LeftOut("A field is a number that JSON cannot hold.")
    return int(found) if found.is_integer() and abs(found) < 2**53 else found


def _put(step: Step, values: dict[str, Any], name: Any, value: Any) -> None:
    """Set a field; points in its name lead into objects, unless the node says otherwise."""
    if not isinstance(name, str) or not name or name.startswith("=") or len(name) > 500:
        raise LeftOut("The name of a field is an expression, or missing.")
    dotted = step.options.get("dotNotation", True) is not False
    *around, last = name.split(".") if dotted else [name]
    if len(around) > _MAX_DEPTH:
        raise LeftOut("The name of a field has too many points.")
    for each in around:
        values = values.setdefault(each, {})
        if not isinstance(values, dict):
            raise LeftOut(f"The field '{name}' lies inside of one that is no object.")
    values[last] = value
