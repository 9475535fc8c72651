"""Conditions of an if-else node as CEL."""

from collections.abc import Mapping
from typing import Any

from apps.workflows.imports.dify.translation import Step
from apps.workflows.imports.errors import LeftOut
from apps.workflows.imports.javascript import cel
from apps.workflows.imports.javascript.cel import Cel

MAX_CONDITIONS = 50
_NUMBERS = {"=": "==", "≠": "!=", ">": ">", "<": "<", "≥": ">=", "≤": "<="}


def combined(step: Step, case: Mapping[str, Any]) -> str:
    """CEL for `{"logical_operator": "and" | "or", "conditions": […]}`. Raises LeftOut."""
    found = case.get("conditions")
    if not isinstance(found, list) or not 0 < len(found) <= MAX_CONDITIONS or not all(isinstance(each, Mapping) for each in found):
        raise LeftOut("Its conditions cannot be read.")
    parts = [_one(step, each) for each in found]
    joint = " || " if case.get("logical_operator") == "or" else " && "
    return joint.join(f"({part})" for part in parts) if len(parts) > 1 else parts[0]


def _one(step: Step, found: Mapping[str, Any]) -> str:
    left = step.selected(found.get("variable_selector"))
    operator, value = str(found.get("comparison_operator")), found.get("value")
    match operator:
        case "empty" | "not empty":
            text = f"{cel.is_missing(left).text} || size({left.text}) == 0"
            return f"!({text})" if operator == "not empty" else text
        case "null" | "not exists" | "not null" | "exists":
            text = cel.is_missing(left).text
            return f"!({text})" if operator in ("not null", "exists") else text
    if operator in _NUMBERS:
        return f"{left.operand} {_NUMBERS[operator]} {_number(step, value)}"
    return _of_text(step, left, operator, value)


def _number(step: Step, value: Any) -> str:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return cel.of_number(float(value)).operand
    if not isinstance(value, str):
        raise LeftOut("A condition compares with something that is no number.")
    try:
        return cel.of_number(float(value)).operand
    except ValueError:
        piece = _value(step, value)
        return f"double({piece})"


def _value(step: Step, value: Any) -> str:
    """A text, which may be one reference."""
    if isinstance(value, bool):
        return str(value).lower()
    if not isinstance(value, str):
        raise LeftOut("A condition compares with a list.")
    text = step.text(value)
    if text.startswith("${") and text.endswith("}") and text.count("${") == 1:
        return text[2:-1]
    if "${" in text:
        raise LeftOut("A condition compares with a text that has references in it.")
    return cel.of_text(value).text


def _of_text(step: Step, left: Cel, operator: str, value: Any) -> str:
    right = _value(step, value)
    contains = f"type({left.text}) == list ? {right} in {left.operand} : {left.operand}.contains({right})"
    texts = {
        "is": f"{left.operand} == {right}",
        "is not": f"{left.operand} != {right}",
        "contains": contains,
        "not contains": f"!({contains})",
        "start with": f"{left.operand}.startsWith({right})",
        "end with": f"{left.operand}.endsWith({right})",
    }
    if operator not in texts:
        raise LeftOut(f"The condition '{operator}' has no counterpart.")
    return texts[operator]
