"""JSONata, evaluated in child processes."""

import sys
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import orjson

from apps.nodes.child_pool import ChildCancelledError, ChildDiedError, ChildLateError, ChildPool, OnCancel, PoolBusyError
from apps.nodes.contract import NodeFailure

MAX_CHILDREN = 2
WAIT_SECONDS = 60.0
CHECK_SECONDS = 2.0
_SIGALRM = 14
# The child stops itself half a second after the limit; a parent that waits a little longer still hears why.
_GRACE_SECONDS = 2.0
_CODES = {"timeout": "timeout", "memory": "memory_exceeded", "size": "output_too_large", "expression": "expression_failed"}


@cache
def _pool() -> ChildPool:
    child = Path(__file__).with_name("jsonata_child.py")
    return ChildPool([sys.executable, "-I", str(child)], size=MAX_CHILDREN, wait_seconds=WAIT_SECONDS)


def evaluate(expression: str, value: Any, *, timeout_seconds: float, memory_mb: int, on_cancel: OnCancel | None = None) -> Any:
    """Result of a JSONata expression; None where it gives nothing.

    Raises NodeFailure: expression_failed, timeout, memory_exceeded, output_too_large, sandbox_crashed, sandbox_busy, cancelled.
    """
    return _ask(expression, value, timeout_seconds, memory_mb, on_cancel, only_parse=False)


@lru_cache(maxsize=1024)
def fault_of(expression: str) -> str | None:
    """Say why an expression does not parse, None when it does."""
    try:
        _ask(expression, None, CHECK_SECONDS, 64, None, only_parse=True)
    except NodeFailure as failure:
        return None if failure.outcome.error.code == "sandbox_busy" else f"Not JSONata: {failure}"
    return None


def _ask(
    expression: str,
    value: Any,
    timeout_seconds: float,
    memory_mb: int,
    on_cancel: OnCancel | None,
    *,
    only_parse: bool,
) -> Any:
    request = orjson.dumps(
        {
            "expression": expression,
            "input": value,
            "timeout_ms": round(timeout_seconds * 1000),
            "memory_mb": memory_mb,
            "only_parse": only_parse,
        }
    )
    try:
        answer = orjson.loads(_pool().ask(request, seconds=timeout_seconds + _GRACE_SECONDS, on_cancel=on_cancel))
    except ChildCancelledError as error:
        raise NodeFailure("cancelled", "The expression was cancelled.", is_final=True) from error
    except PoolBusyError as error:
        raise NodeFailure("sandbox_busy", f"No sandbox became free within {WAIT_SECONDS:g} s.", retry_after_seconds=1) from error
    except (ChildLateError, ChildDiedError) as error:
        if isinstance(error, ChildLateError) or error.signal == _SIGALRM:
            raise NodeFailure("timeout", f"The expression took longer than {timeout_seconds:g} s.") from error
        raise NodeFailure("sandbox_crashed", f"The sandbox of the expression crashed ({error}); other nodes are not affected.") from error
    if fault := answer.get("fault"):
        raise _failure(fault)
    return answer["value"]


def _failure(fault: dict[str, Any]) -> NodeFailure:
    place = "" if fault["position"] is None else f" (at character {fault['position']})"
    details = {} if fault["position"] is None else {"position": fault["position"]}
    return NodeFailure(_CODES[fault["kind"]], fault["message"].rstrip(".") + place + ".", **details)
