"""Sticky notes: words on the canvas, which become the notes of the node that they lie around, or part of the description."""

import math
from typing import TYPE_CHECKING

from apps.workflows.imports.n8n.document import N8nNode
from apps.workflows.imports.placeholders import MAX_NOTES

if TYPE_CHECKING:
    from apps.workflows.imports.n8n.translation import Translation

STICKY = "n8n-nodes-base.stickyNote"
_WIDTH, _HEIGHT = 240.0, 160.0


def put_up(translation: "Translation") -> str:
    """Hand the notes to their nodes; returns the description of the workflow with those that lie around none."""
    description = translation.workflow.description
    stickies = [node for node in translation.workflow.nodes.values() if node.type == STICKY]
    for sticky in stickies:
        text = sticky.parameters.get("content")
        if not isinstance(text, str) or not text.strip():
            continue
        if (key := _node_under(translation, sticky)) is None:
            description = f"{description}\n\n{text}".strip()
        else:
            node = translation.blueprint.nodes[key]
            node["notes"] = f"{node.get('notes', '')}\n\n{text}".strip()[:MAX_NOTES]
    return description


def _node_under(translation: "Translation", sticky: N8nNode) -> str | None:
    """Key of the node that lies in the note, the nearest to its upper left corner; None where none does."""
    if (corner := sticky.position) is None:
        return None
    width, height = (_size(sticky.parameters.get(name), usual) for name, usual in (("width", _WIDTH), ("height", _HEIGHT)))
    inside = []
    for key, node in translation.blueprint.nodes.items():
        place = node.get("position")
        if place and 0 <= place["x"] - corner["x"] <= width and 0 <= place["y"] - corner["y"] <= height:
            inside.append((math.hypot(place["x"] - corner["x"], place["y"] - corner["y"]), key))
    return min(inside)[1] if inside else None


def _size(found: object, usual: float) -> float:
    return float(found) if isinstance(found, int | float) and not isinstance(found, bool) else usual
