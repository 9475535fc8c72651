"""What people have answered stands: no re-run and no test run puts other words into their mouths."""

from collections.abc import Iterable, Mapping
from uuid import UUID

from apps.engine.errors import ForbiddenError
from apps.engine.graph import Graph, GraphNode
from apps.executions.graphs import graphs
from apps.executions.models import Execution
from apps.nodes.registry import get_type


class AnswerOfPeopleError(ForbiddenError):
    """The answer of people would be edited, or stand for a question that they were not asked; details: {"nodes": [key]}."""

    code = "answer_of_people"


def check_answers_stand(graph: Graph, reused: Iterable[str], *, edited: Iterable[str], has_other_input: bool) -> None:
    """Raise AnswerOfPeopleError where a re-run takes over an answer, though what led to it was edited, or the answer itself.

    reused   keys whose outputs are taken over; edited: those with another output than they had
    """
    changed = set(graph.nodes) if has_other_input else _with_descendants(graph.nodes, edited)
    if keys := [key for key in reused if key in changed and _asks_people(graph.nodes[key])]:
        message = f"People answered '{keys[0]}' for what it was then: run it again, from there or from before it."
        raise AnswerOfPeopleError(message, nodes=keys)


def check_not_answers(execution_id: UUID, edited: Iterable[str]) -> None:
    """Raise AnswerOfPeopleError where an output to be edited is the answer of people."""
    nodes = graphs.get(Execution.objects.values_list("version_id", flat=True).get(pk=execution_id)).nodes
    if keys := [key for key in edited if key in nodes and _asks_people(nodes[key])]:
        raise AnswerOfPeopleError(f"People answered '{keys[0]}': nobody else can.", nodes=keys)


def _asks_people(node: GraphNode) -> bool:
    return bool(node.type) and get_type(node.type).asks_people


def _with_descendants(nodes: Mapping[str, GraphNode], keys: Iterable[str]) -> set[str]:
    found = set(keys)
    for key, node in nodes.items():  # in topological order, so one pass finds all
        if key in found:
            found.update(target for _, target in node.out)
    return found
