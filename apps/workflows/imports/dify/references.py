"""`{{#node.variable#}}`: what a reference of Dify reads here."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from apps.workflows.imports.blueprint import literal
from apps.workflows.imports.errors import LeftOut
from apps.workflows.imports.javascript.cel import Cel, member

REFERENCE = re.compile(r"\{\{#([^#{}]+)#\}\}")
MAX_STEPS = 20
Find = Callable[[Sequence[str]], Cel]


def selected(selector: Any, find: Find) -> Cel:
    """What a selector, `[node, variable, …]`, reads. Raises LeftOut."""
    if not isinstance(selector, list) or not 2 <= len(selector) <= MAX_STEPS or not all(isinstance(each, str) for each in selector):
        raise LeftOut("It does not say what it reads.")
    return find(selector)


def split(text: str, find: Find) -> Iterator[str | Cel]:
    """The texts and references of a text in their order. Raises LeftOut."""
    for index, part in enumerate(REFERENCE.split(text)):
        yield find(part.split(".")) if index % 2 else part


def translated(text: Any, find: Find) -> str:
    """A text with references, in our words; one alone keeps its type. Raises LeftOut."""
    if not isinstance(text, str):
        raise LeftOut("A text is missing.")
    return "".join(literal(part) if isinstance(part, str) else f"${{{part.text}}}" for part in split(text, find))


def steps(of: Cel, names: Sequence[str]) -> Cel:
    """of.a.b"""
    for name in names:
        of = member(of, name)
    return of


def present_or_null(piece: Cel) -> str:
    return piece.text if piece.present is None else f"{piece.present} ? {piece.text} : null"


def first_present(pieces: Sequence[Cel]) -> str:
    """The first that is there, null where none is."""
    text = "null"
    for piece in reversed(pieces):
        text = f"{piece.present or 'true'} ? dyn({piece.text}) : dyn({text})"
    return text


def named(found: Any) -> list[tuple[str, Any]]:
    """`[{"variable": name, "value_selector": [...]}]` as pairs. Raises LeftOut."""
    if not isinstance(found, list):
        return []
    if not all(isinstance(each, Mapping) and isinstance(each.get("variable"), str) for each in found):
        raise LeftOut("Its variables cannot be read.")
    return [(each["variable"], each.get("value_selector")) for each in found]
