"""What became ready, as Celery signatures: a `group` for several nodes, a `chain` for a linear stretch.

The canvas is delivery only. The rows stay the truth, and the sweepers make good what a broker loses.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any
from uuid import UUID

from celery import chain, group
from celery.canvas import Signature

from apps.engine.graph import Graph, GraphNode
from apps.executions.handoff import MAX_SHARING, RUN_NODE, RUN_PLACES, publishing, queue_name, share
from apps.executions.protocol import Ready
from structforge.celery import app

# Every message of a chain carries those that follow it.
MAX_LINKS = 16


def send(graph: Graph, ready: Sequence[Ready], *, together: int = 1) -> None:
    """Hand ready node runs of one execution to the fleets.

    together   node runs of the message that made these ready: as many share one again, or each hop would scatter what the first gathered
    """
    chains = list(_chains(graph, ready, together))
    if len(chains) == 1:
        _send_head(chains[0][::-1])
    elif chains:
        with publishing() as producer:
            group(chain(*links) for links in chains).apply_async(producer=producer, add_to_parent=False)


def send_link(links: Sequence[Any] | None, ready: Sequence[Ready]) -> bool:
    """Send the next of the `links` that a chain has left, where it names exactly what became ready; False where it does not."""
    if not links or [one.key for one in ready] != list(links[-1]["args"][1]) or any(one.path != links[-1]["args"][2] for one in ready):
        return False
    _send_head(links)
    return True


def _send_head(links: Sequence[Any]) -> None:
    """Send the last of `links` with the others as its chain: the message of `chain().apply_async()`, without its copies of every link."""
    head = links[-1]
    with publishing() as producer:
        app.send_task(head["task"], args=head["args"], chain=list(links[:-1]), producer=producer, **head["options"])


def signature(execution_id: UUID, keys: Sequence[str], path: str, version_id: UUID, queue: str) -> Signature:
    """`run_node` of these nodes, ignoring what the link before it returned."""
    return app.signature(RUN_NODE, args=(str(execution_id), list(keys), path, str(version_id)), immutable=True, queue=queue)


def _chains(graph: Graph, ready: Sequence[Ready], together: int) -> Iterator[list[Signature]]:
    sharing: dict[str, list[Ready]] = defaultdict(list)
    for one in ready:
        node = graph.nodes[one.key]
        queue = queue_name(one.queue, one.priority)
        if node.traits.is_brief and not node.traits.asks and len(ready) > 1:
            sharing[queue].append(one)
        else:
            yield [signature(one.execution_id, [key], one.path, one.version_id, queue) for key in linear_stretch(graph, one.key)]
    for queue, several in sharing.items():
        size = max(share(len(several)), min(together, MAX_SHARING))
        for start in range(0, len(several), size):
            yield [_shared(several[start : start + size], queue)]


def _shared(part: Sequence[Ready], queue: str) -> Signature:
    """One message for these: `run_node` as far as it can say it."""
    first = part[0]
    if all(one.path == first.path for one in part):
        return signature(first.execution_id, [one.key for one in part], first.path, first.version_id, queue)
    places = [[one.key, one.path] for one in part]
    return app.signature(RUN_PLACES, args=(str(first.execution_id), places, str(first.version_id)), immutable=True, queue=queue)


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
    return None if successor.is_join or successor.ends_loop or successor.traits.is_loop else successor
