"""Stopping before a node of a test run: it waits as any node that is deferred, and so holds no process."""

from collections.abc import Callable, Mapping
from typing import Any

from apps.engine.errors import StructForgeError
from apps.engine.expressions import Scope, Template
from apps.engine.graph import Graph
from apps.engine.outcomes import Deferred
from apps.engine.waits import BREAKPOINT
from apps.executions.breakpoints import MARK, condition_of


def is_stopped(deferred: Mapping[str, Any] | None) -> bool:
    """Whether what a node run has waited for was its breakpoint, so that the node itself has not begun."""
    state = None if deferred is None else deferred.get("state")
    return isinstance(state, Mapping) and MARK in state


def stop_before(key: str, breakpoints: Mapping[str, Any], graph: Graph, scope_of: Callable[[Template], Scope]) -> Deferred | None:
    """The stop, None where the node goes on. A condition that cannot be evaluated stops, and says why."""
    if breakpoints["is_stepping"]:
        return _stop(None)
    if key not in breakpoints["nodes"]:
        return None
    if (text := breakpoints["nodes"][key]) is None:
        return _stop(None)
    try:
        template = condition_of(graph, key, text)
        found = template.resolve(scope_of(template))
    except StructForgeError as error:
        return _stop(error.message)
    if isinstance(found, bool):
        return _stop(None) if found else None
    return _stop("The condition gave neither true nor false.")


def _stop(fault: str | None) -> Deferred:
    return Deferred(signal=BREAKPOINT, state={MARK: fault})
