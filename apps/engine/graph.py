"""A definition compiled for running: who follows whom, how a join counts, what each node reads."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from apps.engine.definition import AtLeast, DefaultOutput, Definition, Node, Retry
from apps.engine.expressions import Names, Template, compile_template
from apps.engine.outcomes import ERROR, OUT

OUTPUT_KEY = "$output"
OUTPUT_TYPE = "structforge.output"
# An execution with more loose ends than this has no single output that anybody would want to read.
IMPLIED_OUTPUT_SINKS = 50


@dataclass(frozen=True, slots=True)
class Traits:
    """What a node's type says of it.

    is_pure        it may ride along in the task that made it ready
    is_brief       it ends within milliseconds, so several may share a message
    queue          fleet that runs it
    on_worker_lost `rerun`, `ask` or `fail`, where the node itself names none
    reads_upstream its run needs the outputs of all direct predecessors
    verbatim       keys of the config whose texts hold no expressions
    """

    is_pure: bool
    is_brief: bool
    queue: str
    on_worker_lost: str
    reads_upstream: bool
    verbatim: frozenset[str] = frozenset()

    @property
    def asks(self) -> bool:
        """Whether the start of its effect is recorded, because a lost worker must not lead to a silent second run."""
        return self.on_worker_lost != "rerun"


@dataclass(frozen=True, slots=True)
class GraphNode:
    """One node, ready to be planned and run.

    expected   in-edges
    needed     live in-edges that start it before all have settled; over `expected` where all must settle
    always     it starts even if every in-edge is dead
    reads      keys whose outputs a run needs
    out        (port, target key) of every out-edge
    """

    key: str
    type: str
    template: Template
    traits: Traits
    expected: int
    needed: int
    always: bool
    predecessors: tuple[str, ...]
    reads: frozenset[str]
    out: tuple[tuple[str, str], ...]
    on_error: str | DefaultOutput
    retry: Retry | None
    timeout_seconds: float | None
    is_disabled: bool

    @property
    def is_join(self) -> bool:
        return self.expected > 1

    @property
    def catches_errors(self) -> bool:
        """Whether an edge leaves its `error` port."""
        return any(port == ERROR for port, _ in self.out)

    def starts(self, *, live: int) -> bool:
        """Whether it runs, rather than being skipped, once its in-edges have settled with `live` of them live."""
        return self.always or live >= (1 if self.needed > self.expected else self.needed)


@dataclass(frozen=True, slots=True)
class Graph:
    """A compiled definition. `nodes` is in topological order."""

    nodes: Mapping[str, GraphNode]
    entries: tuple[str, ...]
    input_schema: Mapping[str, Any] | None
    initial_variables: Mapping[str, Any]
    timeout_seconds: float | None
    priority: str | None
    max_concurrency: int | None = None
    concurrency_key: str | None = None

    def reads_of_stretch(self, key: str, *, limit: int = 64) -> frozenset[str]:
        """Keys that a run of `key`, and of the pure nodes that may ride along after it, reads from outside."""
        inside, reads = [key], set(self.nodes[key].reads)
        for current in inside:
            if len(inside) >= limit:
                break
            for _, target in self.nodes[current].out:
                node = self.nodes[target]
                if node.traits.is_pure and not node.is_join and target not in inside:
                    inside.append(target)
                    reads |= node.reads
        return frozenset(reads.difference(inside))


def compile_graph(definition: Definition, traits_of: Callable[[Node], Traits]) -> Graph:
    """Compile a validated definition; `traits_of` asks the node's type."""
    names = Names.of(definition)
    predecessors: dict[str, list[str]] = {node.key: [] for node in definition.nodes}
    out: dict[str, list[tuple[str, str]]] = {node.key: [] for node in definition.nodes}
    for edge in definition.edges:
        predecessors[edge.target].append(edge.source)
        out[edge.source].append((edge.port, edge.target))
    routed = _routing(definition, traits_of)
    nodes = {node.key: _compile_node(node, names, routed(node), predecessors[node.key], out[node.key]) for node in definition.nodes}
    nodes |= _output_node(definition, names, nodes)
    return Graph(
        nodes={key: nodes[key] for key in _topological(nodes)},
        entries=tuple(key for key, node in nodes.items() if node.expected == 0),
        input_schema=definition.input_schema,
        initial_variables=definition.initial_variables,
        timeout_seconds=definition.settings.timeout_seconds,
        priority=definition.settings.priority,
        max_concurrency=definition.settings.max_concurrency,
        concurrency_key=definition.settings.concurrency_key,
    )


def _routing(definition: Definition, traits_of: Callable[[Node], Traits]) -> Callable[[Node], Traits]:
    """As `traits_of`, with the fleet of the workflow for the nodes that name none of their own."""
    fleet = definition.settings.queue
    if fleet is None:
        return traits_of
    return lambda node: traits_of(node) if node.queue else replace(traits_of(node), queue=fleet)


def _compile_node(node: Node, names: Names, traits: Traits, predecessors: list[str], out: list[tuple[str, str]]) -> GraphNode:
    template = compile_template(node.config, names, verbatim=traits.verbatim)
    expected = len(predecessors)
    upstream = frozenset(predecessors) if traits.reads_upstream or node.disabled else frozenset()
    return GraphNode(
        key=node.key,
        type=node.type,
        template=template,
        traits=traits,
        expected=expected,
        needed=_needed(node.join, expected),
        always=node.join == "all_settled",
        predecessors=tuple(dict.fromkeys(predecessors)),
        reads=template.nodes | upstream,
        out=tuple(out),
        on_error=node.on_error,
        retry=node.retry,
        timeout_seconds=node.timeout_seconds,
        is_disabled=node.disabled,
    )


def _needed(join: str | AtLeast, expected: int) -> int:
    if isinstance(join, AtLeast):
        return join.at_least
    return 1 if join == "any" else expected + 1


def _output_node(definition: Definition, names: Names, nodes: dict[str, GraphNode]) -> dict[str, GraphNode]:
    """The node that evaluates the output of the workflow once every sink has settled; it becomes a sink's successor."""
    sinks = [key for key, node in nodes.items() if not node.out]
    if definition.output:
        values: Any = dict(definition.output)
    elif len(sinks) == 1:
        values = f"${{nodes.{sinks[0]}}}"
    elif len(sinks) <= IMPLIED_OUTPUT_SINKS:
        values = {key: f"${{nodes.{key}}}" for key in sinks}
    else:
        return {}
    template = compile_template({"values": values}, names)
    end = GraphNode(
        key=OUTPUT_KEY,
        type=OUTPUT_TYPE,
        template=template,
        traits=Traits(
            is_pure=True, is_brief=True, queue=definition.settings.queue or "default", on_worker_lost="rerun", reads_upstream=False
        ),
        expected=len(sinks),
        needed=len(sinks) + 1,
        always=True,
        predecessors=tuple(sinks),
        reads=template.nodes,
        out=(),
        on_error="fail",
        retry=None,
        timeout_seconds=None,
        is_disabled=False,
    )
    # The end node starts whether an edge is live or dead, so one edge from each sink is enough.
    return {**{key: replace(nodes[key], out=((OUT, OUTPUT_KEY),)) for key in sinks}, OUTPUT_KEY: end}


def _topological(nodes: Mapping[str, GraphNode]) -> Iterable[str]:
    """Keys with every predecessor first.

    Source: Kahn 1962.
    """
    open_edges = {key: node.expected for key, node in nodes.items()}
    order = [key for key, count in open_edges.items() if count == 0]
    for key in order:
        for _, target in nodes[key].out:
            open_edges[target] -= 1
            if open_edges[target] == 0:
                order.append(target)
    return order
