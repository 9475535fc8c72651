"""Node functions of the tests of workers."""

import os
import threading
import time
from collections.abc import Callable
from typing import Any

from apps.nodes.contract import Effect, RunContext
from apps.nodes.functions import node_function

calls: list[Any] = []
deeds: dict[str, Callable[[str], object]] = {}
entered = threading.Event()
IMPORTED_BY = os.getpid()


@node_function("tests.count", effect=Effect.IDEMPOTENT)
def count(context: RunContext) -> int:
    """Note the call."""
    calls.append(context.idempotency_key)
    return len(calls)


@node_function("tests.effect", effect=Effect.EXTERNAL)
def effect(context: RunContext) -> int:
    """Note the call, as an effect that must not be repeated silently."""
    calls.append(context.idempotency_key)
    return len(calls)


@node_function("tests.large", effect=Effect.EXTERNAL)
def large(context: RunContext) -> str:
    """As `effect`, with an output that no row keeps."""
    calls.append(context.idempotency_key)
    return "x" * 100_000


@node_function("tests.flaky", effect=Effect.IDEMPOTENT)
def flaky(failures: int, context: RunContext) -> int:
    """Fail so many times, then succeed."""
    if context.attempt <= failures:
        raise ValueError(f"attempt {context.attempt}")
    return context.attempt


@node_function("tests.endless", effect=Effect.IDEMPOTENT)
def endless() -> None:
    """Never return, as a function with a bug would."""
    entered.set()
    while True:
        time.sleep(0.01)  # not a wait for an event: it is what must be interrupted


@node_function("tests.where", effect=Effect.IDEMPOTENT)
def where() -> dict[str, int]:
    """Which process imported this module, which one runs the function, and whose child that is."""
    return {"imported_by": IMPORTED_BY, "run_by": os.getpid(), "child_of": os.getppid()}


@node_function("tests.double", effect=Effect.IDEMPOTENT)
def double(number: int, at: int) -> dict[str, int]:
    """Twice the number, and where."""
    return {"double": 2 * number, "at": at}


@node_function("tests.next", effect=Effect.IDEMPOTENT)
def following(item: dict[str, int] | None) -> dict[str, int]:
    """One more than the number of the iteration before."""
    return {"n": 1 + (item or {"n": 0})["n"]}


@node_function("tests.fails_at", effect=Effect.IDEMPOTENT)
def fails_at(item: int, bad: int) -> int:
    """The item, unless it is the bad one."""
    if item == bad:
        raise ValueError(f"item {item} is bad")
    return item


@node_function("tests.echo", effect=Effect.IDEMPOTENT)
def echo(value: Any) -> Any:
    """Note the value and give it back."""
    calls.append(value)
    return value


@node_function("tests.brief", effect=Effect.IDEMPOTENT, brief=True)
def brief(value: Any, context: RunContext) -> Any:
    """Note where, and give the value back; some values do something first.

    "bad" fails, {"do": name} calls `deeds[name](path)`
    """
    calls.append((context.key, context.path))
    if value == "bad":
        raise ValueError("bad")
    if isinstance(value, dict) and "do" in value:
        deeds[value["do"]](context.path)
    return value
