"""What may run in a re-run, for people to read beforehand."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import chain, islice

from apps.engine.graph import OUTPUT_KEY
from apps.engine.rerun_tree import RerunTree
from apps.engine.reruns import Compiled
from apps.engine.statuses import NodeRunStatus
from apps.executions.models import NodeRun
from apps.executions.rerun_source import EndedLoops
from apps.nodes.contract import Effect
from apps.nodes.registry import get_type

MAX_IN_LOOPS = 1000  # places in loops that are named


@dataclass(frozen=True, slots=True)
class NodeAgain:
    """A node that may run in a re-run.

    path         of its iteration, "" outside loops; "*", or "3.*", where it may run in each iteration that is yet to begin
    effect       `pure`, `idempotent` or `external`
    has_run      it had begun in the old execution, so that an effect of it may happen a second time
    starts_now   it is among the first to run
    """

    key: str
    path: str
    effect: str
    has_run: bool
    starts_now: bool


def has_run(run: NodeRun) -> bool:
    return run.started_at is not None and run.status != NodeRunStatus.SKIPPED


def nodes_again(new: Compiled, tree: RerunTree, ended: EndedLoops, have_run: Collection[str]) -> tuple[tuple[NodeAgain, ...], bool]:
    """Nodes outside loops, then those in loops, of which at most MAX_IN_LOOPS are named; and whether there are more.

    have_run   keys of nodes outside loops that had begun in the old execution
    """
    plan = tree.outer
    outer = [_again(new, key, "", has_run=key in have_run, starts=key in plan.frontier.ready) for key in plan.runs if key != OUTPUT_KEY]
    inner = list(islice(chain(_in_iterations(new, tree, ended), _in_new_iterations(new, tree, ended)), MAX_IN_LOOPS + 1))
    return (*outer, *inner[:MAX_IN_LOOPS]), len(inner) > MAX_IN_LOOPS


def _in_iterations(new: Compiled, tree: RerunTree, ended: EndedLoops) -> Iterator[NodeAgain]:
    for group in tree.iterations:
        keys = [key for key in group.plan.runs if key in new.nodes]
        for path in group.paths:
            for key in keys:
                yield _again(new, key, path, has_run=(key, path) in ended.have_run, starts=key in group.plan.frontier.ready)


def _in_new_iterations(new: Compiled, tree: RerunTree, ended: EndedLoops) -> Iterator[NodeAgain]:
    """Nodes of loops in which iterations are yet to begin: the loop begins anew, or is taken up and has more of them."""
    graph = new.graph
    loops = [(key, "") for key in tree.outer.runs if key in graph.loops]
    loops += [(key, path) for group in tree.iterations for key in group.plan.runs if key in graph.loops for path in group.paths]
    reopened = {(loop.key, loop.path): loop.has_more for loop in tree.loops}
    before = ended.keys_that_have_run() if loops else frozenset()
    for key, path in loops:
        if not reopened.get((key, path), True):
            continue
        for inner in dict.fromkeys((*graph.loops[key].body, *graph.loops[key].inside)):
            begun_before = inner in before and (key, path) not in reopened
            yield _again(new, inner, f"{path}.*" if path else "*", has_run=begun_before, starts=False)


def _again(new: Compiled, key: str, path: str, *, has_run: bool, starts: bool) -> NodeAgain:
    node = new.nodes[key]
    effect: Effect = get_type(node.type).effect_of(node.config)
    return NodeAgain(key, path, effect.value, has_run, starts)
