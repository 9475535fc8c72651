"""What a re-run takes over, in the words of `rerun_v1` and `rerun_loops_v1`."""

from collections.abc import Collection, Mapping
from typing import Any

from apps.engine.graph import Graph
from apps.engine.planner import Frontier
from apps.engine.rerun_tree import IterationsAgain, LoopAgain, RerunTree
from apps.workflows.compiled import entry_of


def gates_of(graph: Graph, found: Frontier) -> list[dict[str, Any]]:
    """Joins that edges have reached, the end of an iteration among them: its gate has the key of the loop."""
    return [
        {
            "key": node.ends_loop or key,
            "expected": node.expected,
            "needed": node.needed,
            "settled": arrived.settled,
            "live": arrived.live,
        }
        for key, arrived in found.gates.items()
        if (node := graph.nodes[key]).is_join
    ]


def loops_document(
    graph: Graph,
    tree: RerunTree,
    edited: Collection[tuple[str, str]] = (),
    items: Mapping[tuple[str, str], Mapping[str, Any]] | None = None,
) -> dict[str, Any] | None:
    """What of loops goes over; None where nothing does.

    edited   key and path of the nodes whose output is given
    items    {(loop, its path): {"items": []} or {"blocks": []}} in place of the old ones
    """
    taken = [{"loop": key, "path": path, "reopened": False} for key, path in tree.whole]
    taken += [_reopened(graph, loop) | dict((items or {}).get((loop.key, loop.path), {})) for loop in tree.loops]
    if not taken:
        return None
    return {
        "members": [
            # The loops in a body are also among what is inside.
            {"loop": key, "depth": graph.nodes[key].depth, "keys": sorted({key, *loop.body, *loop.inside})}
            for key, loop in graph.loops.items()
        ],
        "taken": taken,
        "iterations": [_iterations(graph, group, edited) for group in tree.iterations],
    }


def _reopened(graph: Graph, again: LoopAgain) -> dict[str, Any]:
    loop = graph.loops[again.key]
    return {
        "loop": again.key,
        "path": again.path,
        "reopened": True,
        "before": again.before,
        "again": again.again,
        "entries": [entry_of(graph, key) for key in loop.entries],
        "body": loop.body,
        "inside": loop.inside,
    }


def _iterations(graph: Graph, group: IterationsAgain, edited: Collection[tuple[str, str]]) -> dict[str, Any]:
    # All of them have their output given for the same keys, and those stand among what is given.
    given = {key for key in group.plan.reused if (key, group.paths[0]) in edited}
    return {
        "loop": group.loop,
        "paths": group.paths,
        "reused": [key for key in group.plan.reused if key not in given],
        "skipped": [entry_of(graph, key) for key in group.plan.frontier.skipped],
        "gates": gates_of(graph, group.plan.frontier),
        "begins": [entry_of(graph, key) for key in group.plan.frontier.ready if graph.nodes[key].ends_loop is None],
    }
