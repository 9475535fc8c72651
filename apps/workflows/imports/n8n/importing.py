"""From the document to a definition that is valid."""

from collections.abc import Mapping
from typing import Any

from apps.workflows.imports.n8n.document import read_n8n
from apps.workflows.imports.n8n.translation import FindWorkflow, Translation
from apps.workflows.imports.report import Report
from apps.workflows.imports.rounds import draw_valid


def from_n8n(document: Mapping[str, Any], find_workflow: FindWorkflow, pointer: str = "") -> tuple[dict[str, Any], Report]:
    """A valid definition and what became of each node.

    Raises InvalidForeignError where the document is no workflow of n8n, and what `draw_valid` raises.
    """
    workflow = read_n8n(document, pointer)
    return draw_valid(lambda refused: Translation(workflow, refused, find_workflow), workflow.nodes)
