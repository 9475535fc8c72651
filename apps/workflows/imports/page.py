"""The tables of the page `docs/imports.md`, written from the mappings themselves."""

from collections.abc import Iterable
from typing import Protocol

from apps.workflows.imports.dify import registry as dify
from apps.workflows.imports.n8n import registry as n8n

BEGIN, END = "<!-- tables: written by `manage.py import_docs` -->", "<!-- end of the tables -->"


class _Mapping(Protocol):
    @property
    def type(self) -> str: ...

    @property
    def to(self) -> tuple[str, ...]: ...

    @property
    def note(self) -> str: ...


def page(text: str) -> str:
    """The page with its tables written anew."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{tables()}\n{END}{after}"


def tables() -> str:
    parts = [
        "### Nodes of n8n",
        "",
        "Each is `n8n-nodes-base.` and this name.",
        "",
        _table(n8n.all_mappings()),
        "",
        "### Nodes of Dify",
        "",
        _table(dify.all_mappings()),
        "",
    ]
    return "\n".join(parts)


def _table(mappings: Iterable[_Mapping]) -> str:
    rows = [f"| `{each.type.removeprefix(n8n.BASE)}` | {_types(each.to)} | {each.note} |" for each in mappings]
    return "\n".join(["| there | here | |", "|---|---|---|", *rows])


def _types(names: tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in names) or "a placeholder"
