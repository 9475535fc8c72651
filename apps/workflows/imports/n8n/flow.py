"""The graph of an n8n workflow without its circles: who comes before whom.

A "Loop Over Items" is two stops here: the loop itself, and its end, which what comes back to it leads to. Other circles are cut where they
close, and told.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from typing import NamedTuple

from apps.workflows.imports.n8n.document import MAIN, N8nNode, N8nWorkflow
from apps.workflows.imports.n8n.registry import find_mapping

BATCHES = "n8n-nodes-base.splitInBatches"


class Stop(NamedTuple):
    """A place where items stop over: a node, or the end of a loop."""

    name: str
    is_end: bool = False


class Arrow(NamedTuple):
    """A line from an output of a stop to an input of another."""

    source: Stop
    output: int
    target: Stop
    input: int


@dataclass
class Flow:
    """
    arrows   without circles, between stops that are reached
    order    the stops, every predecessor first
    cuts     arrows that would close a circle
    """

    workflow: N8nWorkflow
    roots: list[Stop] = field(default_factory=list)
    arrows: list[Arrow] = field(default_factory=list)
    order: list[Stop] = field(default_factory=list)
    cuts: list[Arrow] = field(default_factory=list)
    ancestors: dict[Stop, frozenset[Stop]] = field(default_factory=dict)
    into: dict[Stop, list[Arrow]] = field(default_factory=lambda: defaultdict(list))
    out_of: dict[Stop, list[Arrow]] = field(default_factory=lambda: defaultdict(list))

    def node(self, stop: Stop) -> N8nNode:
        return self.workflow.nodes[stop.name]

    def outputs(self, stop: Stop) -> set[int]:
        """Numbers of the outputs that something is connected to."""
        return {arrow.output for arrow in self.out_of[stop]} | {cut.output for cut in self.cuts if cut.source == stop}


def flow_of(workflow: N8nWorkflow) -> Flow:
    """Put a workflow in order."""
    flow = Flow(workflow)
    arrows = _with_ends(workflow)
    flow.roots = [Stop(name) for name in _roots(workflow)]
    _walk(flow, arrows)
    for arrow in flow.arrows:
        flow.into[arrow.target].append(arrow)
        flow.out_of[arrow.source].append(arrow)
    for stop in flow.order:
        before = [arrow.source for arrow in flow.into[stop]] + ([Stop(stop.name)] if stop.is_end else [])
        flow.ancestors[stop] = frozenset().union(before, *(flow.ancestors[each] for each in before if each in flow.ancestors))
    return flow


def is_trigger(node: N8nNode) -> bool:
    mapping = find_mapping(node.type)
    return mapping.takes == "nothing" if mapping else node.type.endswith("Trigger")


def loop_output(node: N8nNode) -> int:
    """Which output of a "Loop Over Items" leads into the loop: the second since version 3."""
    return 1 if node.version >= 3 else 0


def _roots(workflow: N8nWorkflow) -> list[str]:
    triggers = [node.name for node in workflow.nodes.values() if is_trigger(node) and not node.is_disabled]
    if triggers:
        return triggers
    fed = {each.target for each in workflow.connections if each.kind == MAIN}
    feeding = {each.source for each in workflow.connections}
    helpers = {each.source for each in workflow.connections if each.kind != MAIN}
    firsts = [name for name in workflow.nodes if name not in fed and name not in helpers and _is_node(workflow.nodes[name])]
    return [name for name in firsts if name in feeding] or firsts


def _is_node(node: N8nNode) -> bool:
    return not node.type.endswith(".stickyNote")


def _with_ends(workflow: N8nWorkflow) -> list[Arrow]:
    """The lines, with each loop as two stops."""
    lines = [each for each in workflow.connections if each.kind == MAIN and not is_trigger(workflow.nodes[each.target])]
    loops = {name: loop_output(node) for name, node in workflow.nodes.items() if node.type == BATCHES and not node.is_disabled}
    after: dict[str, list[str]] = defaultdict(list)
    for line in lines:
        after[line.source].append(line.target)
    inside = {
        name: _reached([line.target for line in lines if line.source == name and line.output == output], after, name)
        for name, output in loops.items()
    }
    arrows = []
    for line in lines:
        source, output, target = Stop(line.source), line.output, Stop(line.target)
        if line.source in loops:
            source, output = Stop(line.source, is_end=line.output != loops[line.source]), 0
        if line.target in loops and (line.source in inside[line.target] or line.source == line.target):
            target = Stop(line.target, is_end=True)
        arrows.append(Arrow(source, output, target, line.input))
    return list(dict.fromkeys(arrows))


def _reached(first: list[str], after: dict[str, list[str]], stop_at: str) -> set[str]:
    seen, rest = {stop_at}, list(first)
    while rest:
        name = rest.pop()
        if name not in seen:
            seen.add(name)
            rest += after[name]
    return seen - {stop_at}


def _walk(flow: Flow, arrows: list[Arrow]) -> None:
    """Fill order, arrows and cuts: depth first from the roots, so that what closes a circle is met while its target is still open."""
    after: dict[Stop, list[Arrow]] = defaultdict(list)
    for line in arrows:
        after[line.source].append(line)
    finished: list[Stop] = []
    state: dict[Stop, bool] = {}  # True once all behind it is finished
    for root in reversed(flow.roots):  # what is finished first stands last, so that the order becomes that of the document
        trail = [(root, iter(_behind(root, after, flow)))] if root not in state else []
        state.setdefault(root, False)
        while trail:
            stop, rest = trail[-1]
            if (arrow := next(rest, None)) is None:
                trail.pop()
                state[stop] = True
                finished.append(stop)
            elif arrow.target not in state:
                state[arrow.target] = False
                trail.append((arrow.target, iter(_behind(arrow.target, after, flow))))
            elif not state[arrow.target]:
                flow.cuts.append(arrow)
    flow.order = finished[::-1]
    cut, reached = set(flow.cuts), set(flow.order)
    flow.arrows = [line for line in arrows if line not in cut and line.source in reached]


def _behind(stop: Stop, after: dict[Stop, list[Arrow]], flow: Flow) -> list[Arrow]:
    """The arrows out of a stop; a loop also leads to its end."""
    node = flow.workflow.nodes[stop.name]
    ends = node.type == BATCHES and not stop.is_end and not node.is_disabled
    return [*([Arrow(stop, -1, Stop(stop.name, is_end=True), 0)] if ends else []), *reversed(after[stop])]
