"""Definitions compiled for running. A version is immutable, so a process compiles each one once."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any, TypedDict
from uuid import UUID

from apps.engine.definition import Definition, Node, parse_definition
from apps.engine.graph import OUTPUT_KEY, Graph, Traits, compile_graph
from apps.nodes.contract import Effect
from apps.nodes.registry import get_type


class EntryNode(TypedDict):
    """A node run that a start queues."""

    key: str
    queue: str
    lost: str
    brief: bool


class StartPlan(TypedDict):
    """What a start writes, kept with the version so that SQL alone can start it."""

    entries: list[EntryNode]
    variables: dict[str, Any]
    timeout_seconds: float | None
    priority: str | None
    max_concurrency: int | None
    concurrency_key: str | None
    input_schema: dict[str, Any]
    follows: list[str]


def traits_of(node: Node) -> Traits:
    """Ask the node's type what it does to the world and where it runs."""
    node_type = get_type(node.type)
    effect = node_type.effect_of(node.config)
    return Traits(
        # A run whose output may be taken from the cache is a node run of its own, with a row to say so.
        is_pure=effect is Effect.PURE and node.queue is None and node.cache is None and not node_type.is_loop,
        is_brief=node_type.is_brief(node.config),
        queue=node.queue or node_type.queue_of(node.config),
        on_worker_lost=node.on_worker_lost or ("ask" if effect is Effect.EXTERNAL else "rerun"),
        reads_upstream=node_type.reads_upstream,
        verbatim=node_type.verbatim,
        is_loop=node_type.is_loop,
        binds_item=node_type.binds_item,
    )


def compile_version(definition: Definition) -> Graph:
    """Compile a validated definition."""
    return compile_graph(definition, traits_of)


def entry_of(graph: Graph, key: str) -> EntryNode:
    """A node as one that a start queues."""
    traits = graph.nodes[key].traits
    return EntryNode(key=key, queue=traits.queue, lost=traits.on_worker_lost, brief=traits.is_brief)


def start_plan(graph: Graph) -> StartPlan:
    """What `WorkflowVersion.start` holds."""
    return StartPlan(
        entries=[entry_of(graph, key) for key in graph.entries if key != OUTPUT_KEY],
        variables=dict(graph.initial_variables),
        timeout_seconds=graph.timeout_seconds,
        priority=graph.priority,
        max_concurrency=graph.max_concurrency,
        concurrency_key=graph.concurrency_key,
        input_schema=dict(graph.input_schema or {}),
        follows=sorted(graph.follows),
    )


class GraphCache:
    """Compiled graphs by version, the least recently used forgotten first.

    load   version id → definition document; called on a miss
    """

    def __init__(self, load: Callable[[UUID], Any], *, size: int = 256) -> None:
        self._get = lru_cache(size)(lambda version_id: compile_version(parse_definition(load(version_id))))

    def get(self, version_id: UUID) -> Graph:
        return self._get(version_id)
