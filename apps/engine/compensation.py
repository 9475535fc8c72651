"""Undoing: the graph of an execution that takes back what another has done."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from apps.engine.graph import UNDO_FAILED_KEY, Graph, GraphNode
from apps.engine.outcomes import ERROR, OUT


def undo_graph(graph: Graph, order: Sequence[str]) -> Graph:
    """The undo nodes of `order` one after the other, whether they fail or not; at the end the execution fails if one of them did.

    order   keys of undo nodes, the first to run first

        undo c -+-> undo b -+-> undo a      each goes on from `out` and from `error`
                └─error─────└─error──▶ $undo_failed
    """
    before = dict(pairwise(reversed(order)))
    after = dict(pairwise(order))
    chain = {key: _linked(graph.nodes[key], before.get(key), after.get(key)) for key in order}
    count = len(order)
    failed = replace(graph.nodes[UNDO_FAILED_KEY], expected=count, needed=count + 1, predecessors=tuple(order))
    return replace(graph, nodes={**graph.nodes, **chain, UNDO_FAILED_KEY: failed}, entries=tuple(order[:1]))


def _linked(node: GraphNode, before: str | None, after: str | None) -> GraphNode:
    # Both edges from the node before settle together, and one of them is live.
    expected = 2 if before else 0
    ways = ((OUT, after), (ERROR, after)) if after else ()
    return replace(
        node,
        expected=expected,
        needed=expected + 1,
        predecessors=(before,) if before else (),
        out=(*ways, (ERROR, UNDO_FAILED_KEY)),
    )
