"""What became ready, as Celery signatures: a `group` for several nodes, a `chain` for a linear stretch.

The canvas is delivery only. The rows stay the truth, and the sweepers make good what a broker loses.
"""

import logging
from collections import defaultdict
from collections.abc import Iterator, Sequence
from uuid import UUID

from celery import chain, group
from celery.canvas import Signature
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from apps.engine.graph import Graph, GraphNode
from apps.executions.handoff import RUN_NODE, queue_name, share
from apps.executions.protocol import Ready
from structforge.celery import app

log = logging.getLogger(__name__)

# Every message of a chain carries those that follow it.
MAX_LINKS = 16


def send(graph: Graph, ready: Sequence[Ready]) -> None:
    """Hand ready node runs of one execution to the fleets."""
    signatures = list(_signatures(graph, ready))
    if not signatures:
        return
    try:
        if len(signatures) == 1:
            signatures[0].apply_async()
        else:
            with app.producer_pool.acquire(block=True) as producer:
                group(signatures).apply_async(producer=producer, add_to_parent=False)
    except (OperationalError, RedisError, ConnectionError, TimeoutError) as error:
        # No error for the execution: the sweepers send again what nobody claims.
        log.warning("The broker took no message for %d node runs of execution %s: %s", len(ready), ready[0].execution_id, error)


def signature(execution_id: UUID, keys: Sequence[str], path: str, version_id: UUID, queue: str) -> Signature:
    """`run_node` of these nodes, ignoring what the link before it returned."""
    return app.signature(RUN_NODE, args=(str(execution_id), list(keys), path, str(version_id)), immutable=True, queue=queue)


def _signatures(graph: Graph, ready: Sequence[Ready]) -> Iterator[Signature]:
    sharing: dict[tuple[str, str], list[Ready]] = defaultdict(list)
    for one in ready:
        node = graph.nodes[one.key]
        if node.traits.is_brief and not node.traits.asks and len(ready) > 1:
            sharing[one.queue, one.path].append(one)
        else:
            yield _chain(graph, one)
    for (queue, path), several in sharing.items():
        size = share(len(several))
        for start in range(0, len(several), size):
            part = several[start : start + size]
            yield signature(part[0].execution_id, [one.key for one in part], path, part[0].version_id, queue_name(queue, part[0].priority))


def _chain(graph: Graph, one: Ready) -> Signature:
    queue = queue_name(one.queue, one.priority)
    links = [signature(one.execution_id, [key], one.path, one.version_id, queue) for key in linear_stretch(graph, one.key)]
    return links[0] if len(links) == 1 else chain(*links)


def linear_stretch(graph: Graph, key: str) -> list[str]:
    """`key` and the nodes after it on the same fleet, each reached from the one before by a single way.

    Pure nodes in between ride along, and are left out.
    """
    stretch = [key]
    fleet = graph.nodes[key].traits.queue
    node: GraphNode | None = graph.nodes[key]
    while node is not None and len(stretch) < MAX_LINKS:
        node = _single_successor(graph, node)
        if node is None or (not node.traits.is_pure and node.traits.queue != fleet):
            break
        if not node.traits.is_pure:
            stretch.append(node.key)
    return stretch


def _single_successor(graph: Graph, node: GraphNode) -> GraphNode | None:
    if len(node.out) != 1:
        return None
    successor = graph.nodes[node.out[0][1]]
    return None if successor.is_join else successor
