"""Where the time of one external step goes: each part timed alone, in this process, on the real servers."""

import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar
from uuid import UUID, uuid4

from apps.engine.outcomes import Succeeded
from apps.executions import protocol
from apps.executions.actions import start_execution
from apps.executions.graphs import graphs
from apps.executions.handoff import send
from apps.executions.settlement import Settlement, end_of
from apps.workflows.models import Workflow
from tests.bench import shapes
from tests.chaos.publishing import publish

T = TypeVar("T")
ROUNDS = 300
LINKS = 3
# A fleet without workers: what is sent there stays there, and nobody takes the node runs away from here.
NOBODY = "nobody"
MILLISECONDS = 1000


class Stopwatch:
    """Times of named parts."""

    def __init__(self) -> None:
        self._taken: dict[str, list[float]] = defaultdict(list)

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        begun = time.perf_counter()
        yield
        self._taken[name].append(time.perf_counter() - begun)

    def timed(self, name: str, action: Callable[[], T]) -> T:
        with self.part(name):
            return action()

    def lines(self) -> Iterator[str]:
        for name, taken in self._taken.items():
            percentiles = statistics.quantiles(taken, n=20)
            yield f"| {name} | {percentiles[9] * MILLISECONDS:.2f} | {percentiles[18] * MILLISECONDS:.2f} |"


def parts_of_a_step() -> str:
    """A Markdown table of the parts, in milliseconds."""
    watch = Stopwatch()
    (workflow,) = publish([_nobody_runs(shapes.chain(shapes.IDEMPOTENT, LINKS))])
    for _ in range(ROUNDS):
        _round(workflow, watch)
    return "\n".join(["| part | p50, ms | p95, ms |", "| --- | ---: | ---: |", *watch.lines()])


def _nobody_runs(document: shapes.JSON) -> shapes.JSON:
    return {**document, "name": "Breakdown", "nodes": [{**node, "queue": NOBODY} for node in document["nodes"]]}


def _round(workflow: Workflow, watch: Stopwatch) -> None:
    version = workflow.published_version
    assert version is not None
    execution_id = watch.timed("start, with its message", lambda: start_execution(workflow=workflow, version=version)).execution_id
    graph = watch.timed("compiled graph, cached", lambda: graphs.get(version.id))
    for key in list(graph.nodes)[:LINKS]:
        claim = watch.timed("claim", lambda key=key: _claim(execution_id, key))  # type: ignore[misc]  # bound at once
        with watch.part("decide, and write the document"):
            settlement = Settlement(graph, key=key, path="", token=claim.runs[0].token)
            end = end_of(graph.nodes[key], Succeeded(55), workspace_id=claim.workspace_id, attempt=1)
            following = settlement.settle(key, end, started=time.monotonic())
            document = settlement.document(starting=following)
        with watch.part("settle"):
            result = protocol.settle(execution_id=execution_id, settlements=[document])
        if ready := protocol.ready_in(result, execution_id=execution_id, version_id=version.id):
            watch.timed("send one message", lambda: send(ready))  # called at once


def _claim(execution_id: UUID, key: str) -> protocol.Claim:
    claim = protocol.claim(
        execution_id=execution_id, keys=[key], tokens=[uuid4()], path="", worker="bench:1:0.00", reads=[], wants_input=True
    )
    assert claim is not None, "nobody else may claim what the breakdown started"
    return claim
