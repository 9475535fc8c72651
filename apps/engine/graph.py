"""A definition compiled for running: who follows whom, how a join counts, what each node reads."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from apps.engine.definition import AtLeast, Cache, DefaultOutput, Definition, Node, Retry, Settings
from apps.engine.expressions import Names, Template, compile_template
from apps.engine.outcomes import ERROR, OUT

OUTPUT_KEY = "$output"
OUTPUT_TYPE = "structforge.output"
UNDO_FAILED_KEY = "$undo_failed"
UNDO_FAILED_TYPE = "control.fail"
UNDO_FAILED = {"code": "compensation_incomplete", "message": "Not everything could be undone: see the node runs that failed."}
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
    is_loop        other nodes are its body
    binds_item     its own config reads `item` and `index` as well, as of the iteration before
    """

    is_pure: bool
    is_brief: bool
    queue: str
    on_worker_lost: str
    reads_upstream: bool
    verbatim: frozenset[str] = frozenset()
    is_loop: bool = False
    binds_item: bool = False

    @property
    def asks(self) -> bool:
        """Whether the start of its effect is recorded, because a lost worker must not lead to a silent second run."""
        return self.on_worker_lost != "rerun"


@dataclass(frozen=True, slots=True)
class NodeCache:
    """How long outputs of a node may be taken again, and what must be the same besides its resolved config (None: nothing)."""

    ttl_seconds: int
    key: Template | None

    @property
    def reads(self) -> frozenset[str]:
        return frozenset() if self.key is None else self.key.nodes


@dataclass(frozen=True, slots=True)
class GraphNode:
    """One node, ready to be planned and run.

    expected   in-edges
    needed     live in-edges that start it before all have settled; over `expected` where all must settle
    always     it starts even if every in-edge is dead
    reads      keys whose outputs a run needs
    reads_workflow_vars   it reads variables of the workflow
    out        (port, target key) of every out-edge
    credentials  {slot: id of a credential} that a run needs
    parent     key of the loop around it, None outside
    depth      loops around it
    loses      keys of the nodes that end when it starts; None where it cancels nothing
    reads_item its template reads `item`
    ends_loop  key of the loop whose iteration ends when this one starts: it is no node of the definition, and never runs
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
    credentials: Mapping[str, str] = field(default_factory=dict)
    parent: str | None = None
    depth: int = 0
    loses: "Part | None" = None
    reads_item: bool = False
    ends_loop: str | None = None
    reads_workflow_vars: bool = False
    cache: NodeCache | None = None

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
class Part:
    """Nodes whose runs are cancelled together.

    here     those of one level: their runs have its path
    inside   those of the loops among them: their runs have longer paths. The loops themselves are among them, for their iterations
    """

    here: tuple[str, ...]
    inside: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Loop:
    """The body of a loop.

    entries   keys where an iteration begins
    sinks     keys where it ends: their outputs are the output of the iteration
    body      keys of its nodes, without those of loops inside
    inside    keys of the nodes of loops inside, with these loops
    is_pure   its iterations may ride along, one after the other
    is_brief  they take no time worth sharing among workers
    """

    key: str
    entries: tuple[str, ...]
    sinks: tuple[str, ...]
    body: tuple[str, ...]
    inside: tuple[str, ...]
    is_pure: bool
    is_brief: bool


@dataclass(frozen=True, slots=True)
class Graph:
    """A compiled definition. `nodes` is in topological order, at each level; `entries` are those outside loops.

    undo      {node key: key of the node that undoes it}. Those nodes wait for an edge that this graph lacks: see `compensation.undo_graph`
    settings  of the definition: what follows when the execution ends
    """

    nodes: Mapping[str, GraphNode]
    entries: tuple[str, ...]
    input_schema: Mapping[str, Any] | None
    initial_variables: Mapping[str, Any]
    timeout_seconds: float | None
    priority: str | None
    loops: Mapping[str, Loop] = field(default_factory=dict)
    undo: Mapping[str, str] = field(default_factory=dict)
    settings: Settings = field(default_factory=Settings)
    max_concurrency: int | None = None
    concurrency_key: str | None = None

    def path_of(self, key: str, path: str) -> str:
        """Path of the run of `key` that a node run at `path` reads."""
        depth = self.nodes[key].depth
        return ".".join(path.split(".")[:depth]) if depth else ""

    @property
    def follows(self) -> frozenset[str]:
        """Statuses after which something has to be done that `settings` or `undo` ask for."""
        settings = self.settings
        told = {event for notification in settings.notify for event in notification.on}
        ends = {event if event in ("success", "cancelled") else "failed" for event in told}
        if self.undo:
            ends |= {"failed", "cancelled"}
        if settings.retry is not None or settings.error_workflow is not None:
            ends.add("failed")
        # What compensates is cancelled at times, which says that not everything is undone.
        return frozenset(ends | ({"cancelled"} if "compensation_failed" in told else set()))

    def reads_of_stretch(self, key: str, *, limit: int = 64) -> frozenset[str]:
        """Keys that a run of `key`, and of the pure nodes that may ride along after it, reads from outside."""
        inside, reads = [key], set(self.nodes[key].reads)
        for current in inside:
            if len(inside) >= limit:
                break
            for _, target in self.nodes[current].out:
                node = self.nodes[target]
                if node.traits.is_pure and not node.traits.is_loop and not node.is_join and target not in inside:
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
    undo = {node.key: node.compensate for node in definition.nodes if node.compensate is not None}
    undoing = {key: replace(nodes.pop(key), expected=1, needed=2) for key in undo.values()}
    loops: dict[str, Loop] = {}
    if any(node.traits.is_loop for node in nodes.values()):
        nodes, loops = compile_loops(nodes)
    nodes |= _output_node(definition, names, nodes)
    for node in definition.nodes:
        if node.cancel_rest:
            nodes[node.key] = replace(nodes[node.key], loses=part_before(nodes, loops, node.key))
    return Graph(
        nodes={key: nodes[key] for key in _topological(nodes)} | (undoing | _undo_failed_node() if undoing else {}),
        entries=tuple(key for key, node in nodes.items() if node.expected == 0 and node.parent is None),
        input_schema=definition.input_schema,
        initial_variables=definition.initial_variables,
        timeout_seconds=definition.settings.timeout_seconds,
        priority=definition.settings.priority,
        loops=loops,
        undo=undo,
        settings=definition.settings,
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
    names = names.in_loop if node.parent is not None or traits.binds_item else names
    template = compile_template(node.config, names, verbatim=traits.verbatim)
    expected = len(predecessors)
    cache = None if node.cache is None else _compile_cache(node.cache, names)
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
        reads=template.nodes | upstream | (cache.reads if cache is not None else frozenset()),
        out=tuple(out),
        on_error=node.on_error,
        retry=node.retry,
        timeout_seconds=node.timeout_seconds,
        is_disabled=node.disabled,
        credentials=node.credentials,
        parent=node.parent,
        reads_item=template.uses("item"),
        reads_workflow_vars=template.uses("workflow_vars"),
        cache=cache,
    )


def _compile_cache(cache: Cache, names: Names) -> NodeCache:
    return NodeCache(cache.ttl_seconds, None if cache.key is None else compile_template(cache.key, names))


def _needed(join: str | AtLeast, expected: int) -> int:
    if isinstance(join, AtLeast):
        return join.at_least
    return 1 if join == "any" else expected + 1


def _output_node(definition: Definition, names: Names, nodes: dict[str, GraphNode]) -> dict[str, GraphNode]:
    """The node that evaluates the output of the workflow once every sink has settled; it becomes a sink's successor."""
    sinks = [key for key, node in nodes.items() if not node.out and node.depth == 0]
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
        reads_workflow_vars=template.uses("workflow_vars"),
    )
    # The end node starts whether an edge is live or dead, so one edge from each sink is enough.
    return {**{key: replace(nodes[key], out=((OUT, OUTPUT_KEY),)) for key in sinks}, OUTPUT_KEY: end}


def compile_loops(nodes: Mapping[str, GraphNode]) -> tuple[dict[str, GraphNode], dict[str, Loop]]:
    """The nodes with their depths and the ends of iterations, and the loops, outer ones first."""
    bodies: dict[str, list[str]] = {key: [] for key, node in nodes.items() if node.traits.is_loop}
    for key, node in nodes.items():
        if node.parent is not None:
            bodies[node.parent].append(key)
    placed = {key: replace(node, depth=_depth(nodes, key)) for key, node in nodes.items()}
    loops: dict[str, Loop] = {}
    for key in sorted(bodies, key=lambda each: placed[each].depth):
        body = tuple(bodies[key])
        sinks = tuple(each for each in body if not placed[each].out)
        loops[key] = Loop(
            key=key,
            entries=tuple(each for each in body if not placed[each].expected),
            sinks=sinks,
            body=body,
            inside=_inside(bodies, body),
            is_pure=all(placed[each].traits.is_pure for each in body),
            is_brief=all(placed[each].traits.is_brief for each in body),
        )
        end = _end_of_iteration(key, sinks, depth=placed[key].depth + 1)
        placed |= {each: replace(placed[each], out=((OUT, end.key),)) for each in sinks} | {end.key: end}
    return placed, loops


def _depth(nodes: Mapping[str, GraphNode], key: str) -> int:
    parent = nodes[key].parent
    return 0 if parent is None else 1 + _depth(nodes, parent)


def _inside(bodies: Mapping[str, Sequence[str]], keys: Iterable[str]) -> tuple[str, ...]:
    """The loops among these keys, and all that is in their bodies."""
    found: list[str] = []
    for key in keys:
        if key in bodies:
            found += [key, *bodies[key], *_inside(bodies, bodies[key])]
    return tuple(dict.fromkeys(found))


def _end_of_iteration(loop: str, sinks: tuple[str, ...], *, depth: int) -> GraphNode:
    # As with the end node of a workflow, one edge from each sink is enough: it counts live and dead ones alike.
    return GraphNode(
        key=f"$end:{loop}",
        type="",
        template=compile_template({}, Names()),
        traits=Traits(is_pure=False, is_brief=True, queue="default", on_worker_lost="rerun", reads_upstream=False),
        expected=len(sinks),
        needed=len(sinks) + 1,
        always=True,
        predecessors=sinks,
        reads=frozenset(),
        out=(),
        on_error="fail",
        retry=None,
        timeout_seconds=None,
        is_disabled=False,
        parent=loop,
        depth=depth,
        ends_loop=loop,
    )


def part_before(nodes: Mapping[str, GraphNode], loops: Mapping[str, Loop], join: str) -> Part:
    """The nodes that lead to `join` and nowhere else: what they would still do is of no use once it has started."""
    leads: dict[str, bool] = {}
    for key in reversed(list(_topological(nodes))):
        leads[key] = key == join or (bool(nodes[key].out) and all(leads[target] for _, target in nodes[key].out))
    here = tuple(key for key, does in leads.items() if does and key != join)
    inside = (each for key in here if key in loops for each in (key, *loops[key].body, *loops[key].inside))
    return Part(here, tuple(dict.fromkeys(inside)))


def _undo_failed_node() -> dict[str, GraphNode]:
    """The node that fails an execution in which something could not be undone."""
    node = GraphNode(
        key=UNDO_FAILED_KEY,
        type=UNDO_FAILED_TYPE,
        template=compile_template(UNDO_FAILED, Names()),
        traits=Traits(is_pure=True, is_brief=True, queue="default", on_worker_lost="rerun", reads_upstream=False),
        expected=1,
        needed=2,
        always=False,
        predecessors=(),
        reads=frozenset(),
        out=(),
        on_error="fail",
        retry=None,
        timeout_seconds=None,
        is_disabled=False,
    )
    return {UNDO_FAILED_KEY: node}


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
