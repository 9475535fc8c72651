"""Conditions of If, Filter and Switch, in both ways in which n8n writes them, as CEL."""

import re
from collections.abc import Mapping
from typing import Any

from apps.workflows.imports.errors import LeftOut
from apps.workflows.imports.javascript import cel
from apps.workflows.imports.javascript.cel import Cel
from apps.workflows.imports.n8n.step import Step

MAX_CONDITIONS = 50
# {operation of the first way: of the second}
_OLD = {
    "equal": "equals", "notEqual": "notEquals", "isEmpty": "empty", "isNotEmpty": "notEmpty", "larger": "gt", "largerEqual": "gte",
    "smaller": "lt", "smallerEqual": "lte",
}  # fmt: skip
_SIGNS = {"gt": ">", "lt": "<", "gte": ">=", "lte": "<=", "after": ">", "before": "<", "afterOrEquals": ">=", "beforeOrEquals": "<="}
_LENGTHS = {"lengthEquals": "==", "lengthNotEquals": "!=", "lengthGt": ">", "lengthLt": "<", "lengthGte": ">=", "lengthLte": "<="}
_REGEX = re.compile(r"/(.*)/([a-z]*)", re.DOTALL)


def condition(step: Step, found: Mapping[str, Any]) -> str:
    """CEL for `{"conditions": [{"leftValue", "rightValue", "operator": {"type", "operation"}}], "combinator", "options"}`."""
    options = found.get("options")
    options = options if isinstance(options, Mapping) else {}
    ignores_case = options.get("caseSensitive") is False
    is_loose = options.get("typeValidation") == "loose" or step.parameters.get("looseTypeValidation") is True
    conditions = found.get("conditions")
    if not isinstance(conditions, list) or not all(isinstance(each, Mapping) for each in conditions):
        raise LeftOut("Its conditions cannot be read.")
    parts = [_one(step, each, ignores_case=ignores_case, is_loose=is_loose) for each in conditions]
    return _combined(parts, found.get("combinator", "and") == "or")


def old_condition(step: Step, found: Mapping[str, Any], combined: object) -> str:
    """CEL for `{"string": [{"value1", "operation", "value2"}], "number": […], "boolean": […], "dateTime": […]}`."""
    parts = []
    for kind, rules in found.items():
        for rule in rules if isinstance(rules, list) else ():
            if not isinstance(rule, Mapping):
                raise LeftOut("Its conditions cannot be read.")
            usual = {"string": "equal", "number": "smaller", "boolean": "equal", "dateTime": "after"}.get(kind, "equal")
            operation = str(rule.get("operation", usual))
            parts.append(
                _compared(step.cel(rule.get("value1", "")), step.cel(rule.get("value2", "")), kind, _OLD.get(operation, operation), True)
            )
    return _combined(parts, combined == "any")


def old_rule(step: Step, kind: str, value: Any, rule: Mapping[str, Any]) -> str:
    """CEL for one rule of an old Switch."""
    operation = str(rule.get("operation", "equal"))
    return _compared(step.cel(value), step.cel(rule.get("value2", "")), kind, _OLD.get(operation, operation), True).text


def _combined(parts: list[Cel], is_or: bool) -> str:
    if not 0 < len(parts) <= MAX_CONDITIONS:
        raise LeftOut(f"It has {len(parts)} conditions, where from 1 to {MAX_CONDITIONS} can be written.")
    return parts[0].text if len(parts) == 1 else (" || " if is_or else " && ").join(part.operand for part in parts)


def _one(step: Step, found: Mapping[str, Any], *, ignores_case: bool, is_loose: bool) -> Cel:
    operator = found.get("operator")
    if not isinstance(operator, Mapping):
        raise LeftOut("Its conditions cannot be read.")
    left, right = step.cel(found.get("leftValue", "")), step.cel(found.get("rightValue", ""))
    kind, operation = str(operator.get("type", "string")), str(operator.get("operation", "equals"))
    if ignores_case and kind == "string" and operation not in ("exists", "notExists", "empty", "notEmpty"):
        right = Cel(f"string({right.text}).lowerAscii()", "text")
        return _compared(Cel(f"string({left.text}).lowerAscii()", "text"), right, kind, operation, is_loose, asked=left)
    return _compared(left, right, kind, operation, is_loose)


def _compared(left: Cel, right: Cel, kind: str, operation: str, is_loose: bool, asked: Cel | None = None) -> Cel:
    """One comparison. What is missing is like nothing: it does not equal, and contains nothing.

    asked   what has to be there, where `left` is made of it
    """
    asked = left if asked is None else asked
    plain = re.sub(r"^not([A-Z])", lambda found: found[1].lower(), operation)
    if plain != operation:
        inner = _positive(left, right, kind, plain, is_loose, asked)
        return Cel(f"!({inner.text})", "bool")
    return _positive(left, right, kind, operation, is_loose, asked)


def _positive(left: Cel, right: Cel, kind: str, operation: str, is_loose: bool, asked: Cel) -> Cel:
    match operation:
        case "exists":
            return Cel(f"!({cel.is_missing(left).text})", "bool")
        case "empty":
            size = "" if kind in ("number", "boolean", "dateTime") else f" || size({left.text}) == 0"
            return Cel(cel.is_missing(left).text + size, "bool", is_atom=False)
        case "true" | "false":
            right = Cel(operation, "bool")
    if operation in _LENGTHS:
        text = f"size({left.text}) {_LENGTHS[operation]} {_number(right, True).operand}"
    elif kind == "array" and operation == "contains":
        text = f"{right.operand} in {left.operand}"
    else:
        text = _plain(_as(left, kind, is_loose), _as(right, kind, True), operation, kind)
    present = "" if asked.present is None else f"{asked.present} && {asked.operand} != null && "
    return Cel(present + text, "bool", is_atom=False)


def _plain(left: Cel, right: Cel, operation: str, kind: str) -> str:
    match operation:
        case "equals" | "true" | "false":
            return f"{left.operand} == {right.operand}"
        case "contains" | "startsWith" | "endsWith" if kind in ("string", "any"):
            return f"{left.operand}.{operation}({right.text})"
        case "regex" if kind == "string":
            return f"{left.operand}.matches({_pattern(right)})"
    if operation in _SIGNS and kind in ("number", "dateTime"):
        return f"{left.operand} {_SIGNS[operation]} {right.operand}"
    raise LeftOut(f"The condition '{operation}' of a {kind} has no counterpart.")


def _as(piece: Cel, kind: str, is_loose: bool) -> Cel:
    """A value as the kind that it is compared as."""
    match kind:
        case "number":
            return _number(piece, is_loose)
        case "dateTime":
            return piece if piece.kind == "time" else Cel(f"timestamp({piece.text})", "time")
        case "string" if piece.kind != "text" and is_loose:
            return cel.as_text(piece)
        case "boolean" if piece.text in ('"true"', '"false"'):
            return Cel(piece.text.strip('"'), "bool")
        case "boolean" if is_loose and piece.kind not in ("bool", "any"):
            return cel.truth(piece)
    return piece


def _number(piece: Cel, is_loose: bool) -> Cel:
    if piece.kind == "text":
        text = piece.text.strip('"')
        return Cel(text, "number") if re.fullmatch(r"-?\d+(\.\d+)?", text) else Cel(f"double({piece.text})", "number")
    return Cel(f"double({piece.text})", "number", present=piece.present) if is_loose and piece.kind == "any" else piece


def _pattern(piece: Cel) -> str:
    """A regular expression; `/a/i` is one with flags."""
    if piece.text.startswith('"/') and (found := _REGEX.fullmatch(piece.text[1:-1])):
        flags = "".join(dict.fromkeys(found[2]))
        if set(flags) - set("gimsu"):
            raise LeftOut(f"A regular expression has the flags '{flags}'.")
        kept = "".join(flag for flag in flags if flag in "ims")
        return f'"(?{kept}){found[1]}"' if kept else f'"{found[1]}"'
    return piece.text
