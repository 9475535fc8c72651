"""Does every node that is to be undone name a node of its own for it, apart from the graph?"""

from collections.abc import Iterator

from apps.engine.definition import Node
from apps.engine.pointers import pointer_to
from apps.engine.problems import Problem, nearest
from apps.engine.validation.draft import Draft

_EXPECTED = "the key of a node without edges, which undoes this node alone"


def check_compensation(draft: Draft) -> Iterator[Problem]:
    """Faults of `compensate`, and of the nodes that it names."""
    for index, node in enumerate(draft.nodes):
        if node.compensate is not None and (message := _fault(draft, node, node.compensate)):
            suggestion = None if node.compensate in draft.places else nearest(node.compensate, draft.places)
            yield Problem(pointer_to("nodes", index, "compensate"), message, node.compensate, _EXPECTED, suggestion)
    for key in draft.undone:
        index = draft.places[key]
        if "on_error" in draft.nodes[index].model_fields_set and draft.nodes[index].on_error not in ("fail", "retry"):
            message = "'on_error' has no effect on a node that undoes another: when it fails, the rest is undone all the same."
            yield Problem(pointer_to("nodes", index, "on_error"), message, "on_error", "only settings that have an effect")


def _fault(draft: Draft, node: Node, undo: str) -> str | None:
    if undo not in draft.places:
        return f"There is no node '{undo}'."
    inside = node if node.parent is not None else draft.nodes[draft.places[undo]]
    if inside.parent is not None:
        return f"Node '{inside.key}' is inside a loop, where nothing is undone: let the loop itself name its undo node, outside of it."
    if draft.is_loop(undo):
        return f"Node '{undo}' is a loop, which undoes nothing: call a workflow that has it."
    if undo == node.key:
        return "A node cannot undo itself."
    if draft.is_trigger(undo):
        return f"Node '{undo}' is a trigger, which undoes nothing."
    if draft.incoming[undo] or draft.outgoing[undo]:
        return f"Node '{undo}' is a part of the graph: a node that undoes another has no edges."
    if draft.undone[undo] != node.key:
        return f"Node '{undo}' undoes node '{draft.undone[undo]}' already."
    if node.key in draft.undone:
        return f"Node '{node.key}' undoes node '{draft.undone[node.key]}', and is not undone itself."
    return None
