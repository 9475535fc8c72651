"""Graphs with loops, calls, waits and undoing; with poison; with timers."""

from typing import Any

from tests.chaos.shapes import EXTERNAL, IDEMPOTENT, JSON, definition

BRIEF, POISON = "chaos.brief", "chaos.poison"
DEEP, CHILD, SAGA = "Deep", "Deep, the child", "Saga"
EVENT = "chaos.paid"
OUTER, INNER = 6, 2
# The keys of the undo nodes of the saga, in the order in which they have to run.
UNDONE = ("undo_b", "undo_a")
POISONS = ("memory", "segfault", "exit")
CALLS = "workflow.call"


def child() -> JSON:
    """One node; it doubles the number."""
    document = {"nodes": [_work("c", "${input.number * 2}")], "edges": [], "output": {"double": "${nodes.c.value}"}}
    return {"schema": 1, "name": CHILD, **document}


def deep() -> JSON:
    """A loop with a loop in it, a call, an event, a delay, and a join of them."""
    #     ┌▶ each [ work ─▶ inner [ deep ] ] ─┐
    #  a ─┼▶ call ────────────────────────────┼▶ z
    #     ├▶ paid ────────────────────────────┤
    #     └▶ rest ────────────────────────────┘
    branches = ["each", "call", "paid", "rest"]
    nodes = [
        _work("a"),
        {"key": "each", "type": "loop.foreach", "config": {"items": list(range(OUTER)), "parallel": 3}},
        _work("work", "${input.number * 10 + item}", function=EXTERNAL, parent="each"),
        {"key": "inner", "type": "loop.foreach", "config": {"items": list(range(INNER)), "parallel": INNER}, "parent": "each"},
        _work("deep", "${nodes.work.value * 10 + item}", parent="inner"),
        {"key": "call", "type": CALLS, "config": {"workflow": CHILD, "input": {"number": "${input.number}"}}},
        {"key": "paid", "type": "control.wait_event", "config": {"event": EVENT, "correlation_key": "${input.number}"}},
        {"key": "rest", "type": "control.delay", "config": {"seconds": 1}},
        _work("z"),
    ]
    edges = [("a", branch) for branch in branches] + [("work", "inner")] + [(branch, "z") for branch in branches]
    output = {"each": "${nodes.each}", "double": "${nodes.call.double}", "paid": "${nodes.paid.number}"}
    return {"schema": 1, "name": DEEP, "nodes": nodes, "edges": _edges(edges), "output": output}


def saga() -> JSON:
    """Two nodes that can be undone, and a failure."""
    nodes = [
        _work("a") | {"compensate": "undo_a"},
        _work("b") | {"compensate": "undo_b"},
        {"key": "boom", "type": "control.fail", "config": {"code": "boom", "message": "It is to be undone."}},
        _work("undo_a"),
        _work("undo_b"),
    ]
    return {"schema": 1, "name": SAGA, "nodes": nodes, "edges": _edges([("a", "b"), ("b", "boom")])}


def poisoned(kind: str) -> JSON:
    """A node, one that takes its process down, and one that is never reached."""
    nodes = [_work("a"), {"key": "bad", "type": "function", "config": {"function": POISON, "arguments": {"kind": kind}}}, _work("z")]
    return {"schema": 1, "name": f"Poison, {kind}", "nodes": nodes, "edges": _edges([("a", "bad"), ("bad", "z")])}


def timer() -> JSON:
    """It waits until the instant of its input, then leaves a row."""
    nodes = [{"key": "wait", "type": "control.wait_until", "config": {"instant": "${input.due}"}}, _work("after", function=BRIEF)]
    return {"schema": 1, "name": "Timer", "nodes": nodes, "edges": _edges([("wait", "after")])}


def brief() -> JSON:
    """One brief node."""
    return definition("Brief", BRIEF, ["a"], [])


def waiting() -> JSON:
    """One node, which waits for the event with the number of its input."""
    node = {"key": "paid", "type": "control.wait_event", "config": {"event": EVENT, "correlation_key": "${input.number}"}}
    return {"schema": 1, "name": "Waiting", "nodes": [node], "edges": []}


def _work(key: str, value: Any = None, *, function: str = IDEMPOTENT, **settings: Any) -> JSON:
    return {"key": key, "type": "function", "config": {"function": function, "arguments": {"key": key, "value": value}}, **settings}


def _edges(pairs: list[tuple[str, str]]) -> list[JSON]:
    return [{"source": source, "port": "out", "target": target} for source, target in pairs]
