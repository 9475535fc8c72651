"""Who comes before whom, and who has surely run by then. Sets of nodes are bits of an integer: ten thousand nodes take milliseconds."""

from collections.abc import Sequence

from apps.engine.definition import AtLeast, Edge, Node
from apps.engine.validation.draft import Draft

# Bit 0 stands for the start of the execution, which comes before everything.
_START = 1


class Lineage:
    """What is known of the past of each node when it starts.

    For each node n:
    ancestors    nodes with a path to n
    dominators   nodes on every live path to n: they have run
    awaited      ancestors that have settled when n starts, since every join on the way waits for all
    implying     nodes of which n runs whenever they succeed, and the start if n always runs
    """

    def __init__(self, draft: Draft, order: Sequence[str]) -> None:
        self._draft = draft
        self._bits = {key: _START << (place + 1) for place, key in enumerate(order)}
        # An iteration of a loop begins at a point of its own: what it implies says nothing about the level outside.
        self._begins = {loop: _START << (len(order) + place + 1) for place, loop in enumerate(draft.bodies)}
        self._ancestors: dict[str, int] = {}
        self._dominators: dict[str, int] = {}
        self._awaited: dict[str, int] = {}
        self._implying: dict[str, int] = {}
        for key in order:
            self._add(draft.nodes[draft.places[key]], draft.incoming[key])

    def is_upstream(self, key: str, of: str) -> bool:
        return bool(self._ancestors[of] & self._bits[key])

    def has_surely_run(self, key: str, before: str) -> bool:
        """Whether the node `key`, upstream of `before`, has run whenever `before` starts, and gave its output."""
        bit = self._bits[key]
        if self._dominators[before] & bit:
            return True
        return bool(self._awaited[before] & bit) and self._is_sure(key, self._dominators[before])

    def always_runs(self, key: str) -> bool:
        """Whether the node has run at the end of every execution that succeeds, and gave its output."""
        return self._is_sure(key, _START)

    def _is_sure(self, key: str, given: int) -> bool:
        return bool(self._implying[key] & given) and not self._may_be_skipped_by_failure(key)

    def _add(self, node: Node, edges: Sequence[Edge]) -> None:
        start, before = self._begin(node)
        ancestors, dominators, awaited_of_all, awaited_of_each, implying = before, -1, self._awaited_by(node), -1, 0
        ports: dict[str, set[str]] = {}
        for edge in edges:
            ports.setdefault(edge.source, set()).add(edge.port)
        for edge in edges:
            bit = self._bits[edge.source]
            ancestors |= bit | self._ancestors[edge.source]
            dominators &= bit | self._dominators[edge.source]
            awaited_of_all |= bit | self._awaited[edge.source]
            awaited_of_each &= bit | self._awaited[edge.source]
            if edge.port in self._outputs(edge.source) <= ports[edge.source]:
                implying |= bit | self._implying[edge.source]
        starts_anyway = not edges or node.join == "all_settled"
        waits_for_all = len(edges) < 2 or node.join in ("all", "all_settled")
        self._ancestors[node.key] = ancestors
        self._dominators[node.key] = self._surely_before(node, start) if starts_anyway else dominators
        self._awaited[node.key] = awaited_of_all if waits_for_all else awaited_of_each
        self._implying[node.key] = start if starts_anyway else 0 if _needs_several(node) else implying

    def _begin(self, node: Node) -> tuple[int, int]:
        """(the start of the level of a node, what lies upstream of that level)."""
        return (_START, 0) if node.parent is None else (self._begins[node.parent], self._ancestors[node.parent])

    def _awaited_by(self, node: Node) -> int:
        return 0 if node.parent is None else self._awaited[node.parent]

    def _surely_before(self, node: Node, start: int) -> int:
        return start if node.parent is None else start | self._dominators[node.parent]

    def _outputs(self, key: str) -> set[str]:
        """Ports of which one goes live whenever the node runs, unless the execution fails; empty where that is not certain."""
        traits = self._draft.find_traits(key)
        return set() if traits is None or self._may_be_skipped_by_failure(key) else set(traits.ports.outputs)

    def _may_be_skipped_by_failure(self, key: str) -> bool:
        return self._draft.nodes[self._draft.places[key]].on_error == "skip" or self._draft.catches_errors(key)


def _needs_several(node: Node) -> bool:
    return isinstance(node.join, AtLeast) and node.join.at_least > 1
