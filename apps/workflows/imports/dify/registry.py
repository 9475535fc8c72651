"""Which of Dify's node types are known, and what becomes of each."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from apps.workflows.imports.dify.translation import Step

Translate = Callable[["Step"], None]


@dataclass(frozen=True, slots=True)
class Mapping:
    """
    type   its name there
    to     node types of ours that stand for it; () where no node does
    note   what is worth knowing, for the docs
    translate   draws the nodes; raises LeftOut where there is no way to say the same
    """

    type: str
    to: tuple[str, ...]
    note: str
    translate: Translate


_mappings: dict[str, Mapping] = {}


def maps(*types: str, to: tuple[str, ...] | str = (), note: str = "") -> Callable[[Translate], Translate]:
    """Decorator: the function draws nodes for these types."""

    def register(function: Translate) -> Translate:
        for name in types:
            _mappings[name] = Mapping(name, (to,) if isinstance(to, str) else to, note, function)
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
    import apps.workflows.imports.dify.mappings  # noqa: F401, PLC0415  # registers on import
