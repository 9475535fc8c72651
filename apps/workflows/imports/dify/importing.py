"""From the document to a definition that is valid."""

from collections.abc import Mapping
from typing import Any

from apps.workflows.imports.dify.document import read_dify
from apps.workflows.imports.dify.translation import Translation
from apps.workflows.imports.report import Report
from apps.workflows.imports.rounds import draw_valid


def from_dify(document: Mapping[str, Any]) -> tuple[dict[str, Any], Report]:
    """A valid definition and what became of each node.

    Raises InvalidForeignError where the document is no application of Dify, and what `draw_valid` raises.
    """
    app = read_dify(document)
    return draw_valid(lambda refused: Translation(app, refused), app.nodes)
