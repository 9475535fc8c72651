"""Loops and their bodies: are they where they can be, and does no edge lead in or out?"""

from collections.abc import Iterator

from apps.engine.definition import Edge, Node
from apps.engine.pointers import pointer_to
from apps.engine.problems import Problem, nearest
from apps.engine.validation.draft import Draft

MAX_DEPTH = 5


def check_levels(draft: Draft) -> Iterator[Problem]:
    """Faults of `parent`, of bodies, and of edges between levels."""
    for index, node in enumerate(draft.nodes):
        if node.parent is not None:
            yield from _parent(draft, index, node, node.parent)
        if draft.is_loop(node.key) and not draft.bodies.get(node.key):
            message = f"The loop '{node.key}' has no body: no node names it as its parent."
            yield Problem(pointer_to("nodes", index), message, found=node.key, expected=f'a node with "parent": "{node.key}"')
    for index, edge in enumerate(draft.definition.edges):
        yield from _crossing(draft, index, edge)


def _parent(draft: Draft, index: int, node: Node, parent: str) -> Iterator[Problem]:
    place = pointer_to("nodes", index, "parent")
    loops = [key for key in draft.places if draft.is_loop(key)]
    if parent not in draft.places:
        message = f"There is no node '{parent}' that could hold '{node.key}'."
        yield Problem(place, message, found=parent, expected="the key of a loop", suggestion=nearest(parent, loops))
        return
    if not draft.is_loop(parent):
        found = draft.nodes[draft.places[parent]].type
        message = f"Node '{parent}' is no loop but of type {found}: it has no body."
        yield Problem(place, message, found=parent, expected="the key of a loop", suggestion=nearest(parent, loops))
        return
    around = _around(draft, node)
    if around is None:
        yield Problem(place, f"The loop '{node.key}' lies inside itself.", found=parent, expected="a loop around it")
    elif len(around) > MAX_DEPTH:
        message = f"Loops lie at most {MAX_DEPTH} deep, and '{node.key}' is in {len(around)}: {' in '.join(around)}."
        yield Problem(place, message, found=parent, expected=f"at most {MAX_DEPTH} loops around a node")
    if draft.is_trigger(node.key):
        yield Problem(place, f"Node '{node.key}' is a trigger: it is part of no loop.", found=parent, expected="no parent")


def _around(draft: Draft, node: Node) -> list[str] | None:
    """The loops around a node, the nearest first; None where they go round in a circle."""
    around: list[str] = []
    parent = node.parent
    while parent is not None and parent in draft.places:
        if parent in around or parent == node.key:
            return None
        around.append(parent)
        parent = draft.nodes[draft.places[parent]].parent
    return around


def _crossing(draft: Draft, index: int, edge: Edge) -> Iterator[Problem]:
    if edge.source not in draft.places or edge.target not in draft.places:
        return
    source, target = (draft.nodes[draft.places[key]].parent for key in (edge.source, edge.target))
    if source == target:
        return
    message = f"The edge from '{edge.source}' to '{edge.target}' leads from {_level(source)} to {_level(target)}."
    yield Problem(
        pointer_to("edges", index),
        message,
        found=f"{edge.source} -> {edge.target}",
        expected="an edge between nodes of one level; a loop begins at the nodes of its body that no edge leads to",
    )


def _level(loop: str | None) -> str:
    return "outside the loops" if loop is None else f"the body of '{loop}'"
