"""Templates of Jinja, as far as they put values into texts."""

import re
from collections.abc import Callable, Mapping

from apps.workflows.imports.blueprint import literal
from apps.workflows.imports.errors import LeftOut
from apps.workflows.imports.javascript import cel
from apps.workflows.imports.javascript.cel import Cel
from apps.workflows.imports.javascript.emitter import to_cel
from apps.workflows.imports.javascript.syntax import Expression, Name

_PLACE = re.compile(r"\{\{-?(.*?)-?\}\}", re.DOTALL)
_FILTER = re.compile(r"\s*(\w+)\s*(?:\(\s*(?:'([^'\\]*)'|\"([^\"\\]*)\")?\s*\))?\s*")
_PLAIN = {"upper": "{}.upperAscii()", "lower": "{}.lowerAscii()", "trim": "{}.trim()"}
MAX_PLACES = 200


class _Names:
    def __init__(self, names: Mapping[str, Cel]) -> None:
        self._names = names

    def find(self, expression: Expression, emit: Callable[[Expression], Cel]) -> Cel | None:
        return self._names.get(expression.name) if isinstance(expression, Name) else None


def jinja(text: str, names: Mapping[str, Cel]) -> str:
    """A template in our words. Raises LeftOut for blocks, comments, and filters without a counterpart."""
    if "{%" in text or "{#" in text:
        raise LeftOut("Its template has blocks: write it anew, with code.python for loops.")
    parts = _PLACE.split(text)
    if len(parts) > 2 * MAX_PLACES:
        raise LeftOut(f"A template has at most {MAX_PLACES} values.")
    return "".join(f"${{{_value(part, names).text}}}" if index % 2 else literal(part) for index, part in enumerate(parts))


def _value(text: str, names: Mapping[str, Cel]) -> Cel:
    expression, *filters = re.split(r"(?<!\|)\|(?!\|)", text)
    found = to_cel(expression.strip(), _Names(names))
    for each in filters:
        found = _filtered(found, each)
    return found


def _filtered(of: Cel, written: str) -> Cel:
    match = _FILTER.fullmatch(written)
    name, argument = (match[1], match[2] if match[2] is not None else match[3]) if match else (written.strip(), None)
    if name in _PLAIN and argument is None:
        return Cel(_PLAIN[name].format(of.operand), "text")
    match name:
        case "length" | "count":
            return Cel(f"size({of.text})", "number")
        case "join":
            return Cel(f"{of.operand}.map(each_, string(each_)).join({cel.of_text(argument or '').text})", "text")
        case "default" if argument is not None:
            return cel.chosen(cel.is_missing(of), cel.of_text(argument), of)
        case "string":
            return cel.as_text(of)
    raise LeftOut(f"The filter '{name[:40]}' has no counterpart.")
