"""Do branches that run side by side write the same variable? The last one to settle wins, which is seldom what was meant."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from apps.engine.pointers import pointer_to
from apps.engine.problems import Problem
from apps.engine.validation.draft import Draft
from apps.engine.validation.lineage import Lineage

# Of thousands of writers of one variable, these are enough to find one that runs beside another.
_COMPARED = 50


def parallel_writes(draft: Draft, lineage: Lineage, order: Sequence[str]) -> Iterator[Problem]:
    """A warning at each node that writes what a node beside it writes too. Ways of which only one is taken are not beside each other."""
    several = {name: keys for name, keys in _writers(draft, order).items() if len(keys) > 1}
    if not several:
        return
    choices = _Choices(draft, order)
    for name, keys in sorted(several.items()):
        for place, key in enumerate(keys):
            before = keys[max(0, place - _COMPARED) : place]
            beside = next((other for other in before if not lineage.is_upstream(other, key) and not choices.exclude(other, key)), None)
            if beside is not None:
                yield _warning(draft, name, *sorted((beside, key), key=draft.places.__getitem__))


def _writers(draft: Draft, order: Sequence[str]) -> Mapping[str, list[str]]:
    """{variable: keys of the nodes that write it, in topological order}"""
    writers: dict[str, list[str]] = defaultdict(list)
    for key in order:
        node = draft.nodes[draft.places[key]]
        if not node.disabled and key not in draft.undone:
            for name in draft.catalog[node.type].writes(node.config):
                writers[name].append(key)
    return writers


class _Choices:
    """Which ways out of its branches an execution has surely taken when a node starts, as bits of an integer."""

    def __init__(self, draft: Draft, order: Sequence[str]) -> None:
        self._masks: list[int] = []
        self._taken: dict[str, int] = {}
        bits: dict[tuple[str, str], int] = {}
        for key in order:
            ports = {edge.port for edge in draft.outgoing[key]}
            self._enter(draft, key, bits)
            if len(ports) > 1:
                new = {(key, port): 1 << (len(bits) + place) for place, port in enumerate(sorted(ports))}
                bits |= new
                self._masks.append(sum(new.values()))

    def _enter(self, draft: Draft, key: str, bits: Mapping[tuple[str, str], int]) -> None:
        edges = draft.incoming[key]
        taken = -1 if edges and draft.nodes[draft.places[key]].join != "all_settled" else 0
        for edge in edges:
            taken &= self._taken[edge.source] | bits.get((edge.source, edge.port), 0)
        self._taken[key] = taken

    def exclude(self, one: str, other: str) -> bool:
        """Whether the two never run in the same execution: some branch has to go one way for one, and another way for the other."""
        mine, theirs = self._taken[one], self._taken[other]
        return any(mine & mask and theirs & mask and not mine & theirs & mask for mask in self._masks)


def _warning(draft: Draft, name: str, other: str, key: str) -> Problem:
    return Problem(
        pointer_to("nodes", draft.places[key], "config", "variables", name),
        f"Nodes '{other}' and '{key}' run side by side and both write variable '{name}': the one that settles last wins.",
        found=name,
        expected="one writer, or writers of which one comes after the other",
    )
