"""Which of n8n's node types are known, and what becomes of each."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from apps.workflows.imports.n8n.step import Step

Takes = Literal["item", "items", "nothing"]
Translate = Callable[["Step"], None]
BASE = "n8n-nodes-base."


@dataclass(frozen=True, slots=True)
class Mapping:
    """What becomes of one node type of n8n.

    type    its name there
    to      node types of ours that stand for it, the usual one first; () where no node does
    takes   item: it runs once for each item; items: once for all of them; nothing: it is a trigger
    note    what is worth knowing, for the docs
    translate   draws the nodes; raises LeftOut where there is no way to say the same
    """

    type: str
    to: tuple[str, ...]
    takes: Takes
    note: str
    translate: Translate


_mappings: dict[str, Mapping] = {}


def maps(*types: str, to: tuple[str, ...] | str = (), takes: Takes = "item", note: str = "") -> Callable[[Translate], Translate]:
    """Decorator: the function draws nodes for these types, named without `n8n-nodes-base.`."""

    def register(function: Translate) -> Translate:
        for plain in types:
            name = BASE + plain
            _mappings[name] = Mapping(name, (to,) if isinstance(to, str) else to, takes, note, function)
        return function

    return register


def find_mapping(type: str) -> Mapping | None:
    _load()
    return _mappings.get(type)


def all_mappings() -> list[Mapping]:
    """All of them, sorted by type."""
    _load()
    return [mapping for _, mapping in sorted(_mappings.items())]


@cache
def _load() -> None:
    import apps.workflows.imports.n8n.mappings  # noqa: F401, PLC0415  # registers on import
