"""What people have answered stands: no re-run and no test run puts other words into their mouths."""

from collections.abc import Collection, Iterable, Iterator
from functools import cache
from itertools import islice
from uuid import UUID

from apps.engine.errors import ForbiddenError
from apps.engine.graph import Graph
from apps.engine.rerun_places import Place
from apps.engine.rerun_tree import RerunTree
from apps.engine.reruns import MAX_NAMED, OUTSIDE, Level
from apps.engine.statuses import NodeRunStatus
from apps.executions.graphs import graphs
from apps.executions.models import Execution
from apps.nodes.registry import get_type


class AnswerOfPeopleError(ForbiddenError):
    """The answer of people would be edited, or stand for a question that they were not asked; details: {"nodes": [key]}, or `key[3]`."""

    code = "answer_of_people"


def check_answers_stand(
    graph: Graph, tree: RerunTree, *, outputs: Collection[Place], items: Collection[Place], has_other_input: bool
) -> None:
    """Raise AnswerOfPeopleError where a re-run takes over an answer, though what led to it was edited, or the answer itself.

    outputs   places whose output is given; items: iterations whose item is given
    """
    if not (outputs or items or has_other_input) or not (asking := _asking(graph)):
        return
    edits = _Edits(graph, outputs, items, has_other_input=has_other_input)
    if names := list(islice(_misused(graph, tree, edits, asking), MAX_NAMED)):
        message = f"People answered '{names[0]}' for what it was then: run it again, from there or from before it."
        raise AnswerOfPeopleError(message, nodes=names)


def check_not_answers(execution_id: UUID, edited: Iterable[str]) -> None:
    """Raise AnswerOfPeopleError where an output to be edited is the answer of people, or those of a loop that asks them."""
    graph = graphs.get(Execution.objects.values_list("version_id", flat=True).get(pk=execution_id))
    asking = _asking(graph)
    if keys := [key for key in edited if key in asking]:
        raise AnswerOfPeopleError(f"People answered '{keys[0]}': nobody else can.", nodes=keys)


class _Edits:
    """Where a re-run is about something else than the execution was, level by level."""

    def __init__(self, graph: Graph, outputs: Iterable[Place], items: Iterable[Place], *, has_other_input: bool) -> None:
        self._graph, self._has_other_input = graph, has_other_input
        self._items = {Level(place.key, place.path) for place in items}
        self._edited: dict[Level, set[str]] = {}
        for place in outputs:
            self._edited.setdefault(Level(graph.nodes[place.key].parent, place.path), set()).add(place.key)
        self._changed = cache(self._find_changed)

    def reach(self, level: Level, key: str) -> bool:
        """Whether what was edited leads to this node of this level, or is its output."""
        return self._is_all_other(level) or key in self._changed(level)

    def _is_all_other(self, level: Level) -> bool:
        """Whether the whole level is about something else: its item, or what the loop around it reads."""
        if level.loop is None:
            return self._has_other_input
        around = Level(self._graph.nodes[level.loop].parent, level.path.rpartition(".")[0])
        return level in self._items or self.reach(around, level.loop)

    def _find_changed(self, level: Level) -> set[str]:
        found = set(self._edited.get(level, ()))
        for key, node in self._graph.nodes.items() if found else ():  # in topological order, so one pass finds all
            if key in found:
                found.update(target for _, target in node.out)
        return found


def _misused(graph: Graph, tree: RerunTree, edits: _Edits, asking: Collection[str]) -> Iterator[str]:
    """Names of the answers that are taken over, though an edit reaches them: outside loops, in iterations that go on, and in the others."""
    levels = [(OUTSIDE, tree.outer), *((Level(each.loop, path), each.plan) for each in tree.iterations for path in each.paths)]
    for level, plan in levels:
        given = (key for key, end in plan.reused.items() if key in asking and end.status is not NodeRunStatus.SKIPPED)
        yield from (level.label(key) for key in given if edits.reach(level, key))
    for loop in tree.loops:
        level = Level(graph.nodes[loop.key].parent, loop.path)
        if loop.key in asking and loop.end.begun > len(loop.again) and edits.reach(level, loop.key):
            yield level.label(loop.key)


def _asking(graph: Graph) -> frozenset[str]:
    """Keys of the nodes that ask people, and of the loops around them: the output of such a loop is made of answers."""
    found = {key for key, node in graph.nodes.items() if node.type and get_type(node.type).asks_people}
    loops = {key for key, loop in graph.loops.items() if found.intersection((*loop.body, *loop.inside))}
    return frozenset(found | loops)
