"""Whose export is it?"""

from collections.abc import Mapping
from typing import Any, Literal

from apps.workflows.imports.errors import UnknownFormatError

Format = Literal["structforge", "n8n", "dify"]
FORMATS: tuple[Format, ...] = ("structforge", "n8n", "dify")


def format_of(document: Any) -> Format:
    """The format of an export, by what only it has. Raises UnknownFormatError."""
    first = document[0] if isinstance(document, list) and document else document
    if isinstance(document, Mapping) and "structforge" in document:
        return "structforge"
    if isinstance(first, Mapping) and "nodes" in first and "connections" in first:
        return "n8n"
    if isinstance(document, Mapping) and "app" in document and ("workflow" in document or document.get("kind") == "app"):
        return "dify"
    raise UnknownFormatError(
        "Expected an export of StructForge (`structforge`), n8n (`nodes` and `connections`) or Dify (`app` and `workflow`), found none.",
        expected=list(FORMATS),
    )
