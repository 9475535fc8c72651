"""What a worker does with a message: claim, perform, settle, hand on."""

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any
from uuid import UUID, uuid4

from django.db import InterfaceError, OperationalError

from apps.core.quotas import QuotaExceededError
from apps.engine.errors import StructForgeError
from apps.engine.graph import Graph
from apps.engine.statuses import SETTLED_EXECUTION
from apps.executions import admission, children, protocol
from apps.executions.announcements import announce_change
from apps.executions.connection import TRANSIENT
from apps.executions.graphs import UnknownVersionError, graph_of, graphs
from apps.executions.places import Place, Wanted, claim_places
from apps.executions.protocol import Claim, Ready
from apps.tasks.live import announce_asked
from workers import canvas, faults, host
from workers.leases import process_leases
from workers.stretch import LeaseLostError, Stretch
from workers.values import Values

log = logging.getLogger(__name__)

# Of the engine's connections, and of Django's.
UNANSWERED = (*TRANSIENT, InterfaceError, OperationalError)
# Nodes that share a message are recorded together, at least this often.
FLUSH_SECONDS = 0.05
MAX_READS = 2000

Claiming = Callable[[], Sequence[Claim]]
# A node run that was performed, and the document to be settled.
Done = tuple[Stretch, dict[str, Any]]


def run(
    execution_id: UUID,
    keys: Sequence[str],
    path: str,
    version_id: UUID,
    *,
    hand_over: Callable[[Sequence[Ready]], bool],
    is_shared: bool = False,
) -> None:
    """Run the named nodes of one execution, as far as they are queued and nobody else took them, and send what follows.

    hand_over   given what became ready; True when a message for exactly that is already under way (the next link of a chain)
    is_shared   the message names other executions too, which must not wait for long
    """
    continuing: Sequence[str] = keys
    while continuing:
        continuing, path = _run_once(execution_id, continuing, path, version_id, hand_over, is_shared)


def run_places(execution_id: UUID, places: Iterable[Place], version_id: UUID) -> None:
    """As `run`, of brief nodes in several iterations: each is claimed with its own item, and all that were free are recorded together."""
    claimed = _claim(version_id, partial(_claiming_places, execution_id, list(dict.fromkeys(places))))
    if claimed is None:
        return
    graph, claims = claimed
    is_shared = len(claims) > 1
    stretches = [Stretch(graph, claim, claim.runs[0], Values(graph, claim, claim.runs[0].path), is_shared=is_shared) for claim in claims]
    ready = _perform_all(claims[0], stretches)
    here = _goes_on_here(graph, ready)
    canvas.send(graph, [one for one in ready if one is not here], together=len(stretches))
    if here is not None:
        run(execution_id, [here.key], here.path, version_id, hand_over=lambda ready: False)


def _run_once(
    execution_id: UUID,
    keys: Sequence[str],
    path: str,
    version_id: UUID,
    hand_over: Callable[[Sequence[Ready]], bool],
    is_shared: bool,
) -> tuple[Sequence[str], str]:
    """Returns what goes on here, without a message: keys, and their path."""
    if (claimed := _claim(version_id, partial(_claiming, execution_id, keys, path))) is None:
        hand_over([])
        return (), path
    graph, [claim] = claimed
    values, others_wait = Values(graph, claim, path), is_shared or len(claim.runs) > 1
    ready = _perform_all(claim, [Stretch(graph, claim, run, values, is_shared=others_wait) for run in claim.runs])
    here = None if is_shared else _goes_on_here(graph, ready)
    elsewhere = [one for one in ready if one is not here]
    if not hand_over(elsewhere):
        canvas.send(graph, elsewhere, together=len(claim.runs))
    return ((here.key,), here.path) if here is not None else ((), path)


def _claim(version_id: UUID, prepare: Callable[[Graph], Claiming]) -> tuple[Graph, Sequence[Claim]] | None:
    """The graph, and what could be claimed of what a message names; None where that is nothing.

    prepare   the claim of it, by the graph. Raises KeyError and ValueError where there are no such nodes
    """
    try:
        claiming = prepare(graphs.get(version_id))
    except (UnknownVersionError, KeyError, ValueError) as error:
        log.warning("A message names nodes of version %s that do not exist; dropped. %s", version_id, error)
        return None
    except StructForgeError as error:
        # A node type that this worker lacks, in the middle of a deploy: another worker may have it, and the sweepers ask again.
        log.error("This worker cannot run version %s: %s Its node runs stay queued.", version_id, error.message)
        return None
    except UNANSWERED as error:
        _note_drop(error)
        return None
    faults.point("claim.before")
    try:
        claims = claiming()
    except UNANSWERED as error:
        _note_drop(error)
        return None
    faults.point("claim.after")
    if not claims:
        return None
    # The message's version is a hint; the row tells the true one.
    return graph_of(claims[0].execution_id, claims[0].version_id, claims[0].trigger), claims


def _claiming(execution_id: UUID, keys: Sequence[str], path: str, graph: Graph) -> Claiming:
    reads = sorted({read for key in keys for read in graph.reads_of_stretch(key)})[:MAX_READS]
    claim = partial(
        protocol.claim,
        execution_id=execution_id,
        keys=keys,
        tokens=[uuid4() for _ in keys],
        path=path,
        worker=host.label(),
        reads=reads,
        wants_input=True,
        begins_effect=len(keys) == 1 and graph.nodes[keys[0]].traits.asks,
        **_in_loop(graph, keys, path, reads),
    )
    return lambda: [found] if (found := claim()) is not None else []


def _claiming_places(execution_id: UUID, places: Sequence[Place], graph: Graph) -> Claiming:
    wanted = [_wanted(graph, key, path, limit=MAX_READS // len(places)) for key, path in places]
    return partial(claim_places, execution_id=execution_id, wanted=wanted, worker=host.label())


def _wanted(graph: Graph, key: str, path: str, *, limit: int) -> Wanted:
    reads = [(read, graph.path_of(read, path)) for read in sorted(graph.reads_of_stretch(key))[:limit]]
    return Wanted(key, path, loop=graph.nodes[key].parent, index=int(path.rpartition(".")[2] or 0), reads=reads)


def _in_loop(graph: Graph, keys: Sequence[str], path: str, reads: Sequence[str]) -> dict[str, Any]:
    """What a claim asks for besides, of loops and in them; nothing where there is neither."""
    if not path and not any(graph.nodes[key].traits.is_loop for key in keys):
        return {}
    return {"read_paths": [graph.path_of(read, path) for read in reads], "loop": graph.nodes[keys[0]].parent}


def _note_drop(error: Exception) -> None:
    """Nothing was claimed, so nothing is lost: the node runs stay queued."""
    log.warning("PostgreSQL does not answer (%s); a message is dropped, and the sweepers send it again.", type(error).__name__)


def _perform_all(claim: Claim, stretches: Sequence[Stretch]) -> list[Ready]:
    """Perform claimed node runs of one execution, one after the other; returns what became ready."""
    ready: list[Ready] = []
    done: list[Done] = []
    flushed = time.monotonic()
    is_stopped = False
    with process_leases().holding([stretch.held for stretch in stretches]):
        for position, stretch in enumerate(stretches, start=1):
            try:
                done.append((stretch, stretch.cancelled() if is_stopped or stretch.held.is_to_stop else stretch.go()))
            except LeaseLostError:
                log.warning("The claim of %s in execution %s was lost; its outcome is dropped.", stretch.held.run.key, claim.execution_id)
            if time.monotonic() - flushed > FLUSH_SECONDS or position == len(stretches) or stretch.settlement.stops_others:
                more, is_stopped = _settle(claim, done)
                ready += more
                done, flushed = [], time.monotonic()
                if stretch.settlement.stops_others and not is_stopped and (following := stretches[position:]):
                    process_leases().renew([each.held for each in following])  # tells which of them are to stop now
    return ready


def _settle(claim: Claim, done: Sequence[Done]) -> tuple[list[Ready], bool]:
    """Write; returns what became ready, and whether the execution is to stop."""
    if not done:
        return [], False
    documents = [document for _, document in done]
    try:
        result = protocol.settle(execution_id=claim.execution_id, settlements=documents)
    except QuotaExceededError as refusal:
        return _settle_refused(claim, done, refusal)
    faults.point("settle.after")
    return _tell(claim, documents, result)


def _settle_refused(claim: Claim, done: Sequence[Done], refusal: QuotaExceededError) -> tuple[list[Ready], bool]:
    """As `_settle`, each by itself, where there is no room for a child of one of them: that node fails."""
    if len(done) > 1:
        parts = [_settle(claim, [one]) for one in done]
        return [ready for part, _ in parts for ready in part], any(is_stopped for _, is_stopped in parts)
    [(stretch, document)] = done
    if children.is_owed(claim.execution_id):
        return _settle(claim, [(stretch, document | {"child": document["child"] | {"is_owed": True}})])
    return _settle(claim, [(stretch, stretch.refused(refusal))])


def _tell(claim: Claim, documents: list[dict[str, Any]], result: dict[str, Any]) -> tuple[list[Ready], bool]:
    """Send and announce what follows from a settlement; returns as `_settle` does."""
    if not all(result["applied"]):
        lost = [document["key"] for document, applied in zip(documents, result["applied"], strict=True) if not applied]
        log.warning("Fenced: %s of execution %s are somebody else's now; their outcomes are dropped.", lost, claim.execution_id)
    children.send_started(documents, result["applied"])
    if result["sequence"] is not None:
        announce_change(claim.execution_id, result)
    children.send_woken(result["parent"])
    announce_asked(documents, result["applied"])
    if claim.is_limited and result["status"] in SETTLED_EXECUTION:
        _let_next_in(claim)
    return protocol.ready_in(result, execution_id=claim.execution_id, version_id=claim.version_id), result["status"] == "cancelling"


def _let_next_in(claim: Claim) -> None:
    try:
        admission.admit(workspace_id=claim.workspace_id, workflow_id=claim.workflow_id)
    except UNANSWERED as error:
        log.warning("Nobody was let in after execution %s (%s); the sweepers do it.", claim.execution_id, type(error).__name__)


def _goes_on_here(graph: Graph, ready: list[Ready]) -> Ready | None:
    """What this worker takes at once, without a message: a loop that goes on, or a single pure node, made ready by the count of a gate."""
    loops = [one for one in ready if graph.nodes[one.key].traits.is_loop]
    if loops:
        return loops[0]
    pure = [one for one in ready if graph.nodes[one.key].traits.is_pure]
    return pure[0] if len(pure) == 1 and graph.nodes[pure[0].key].is_join else None
