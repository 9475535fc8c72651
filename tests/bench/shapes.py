"""The measured workflows, as definition documents."""

import itertools
from collections.abc import Iterable, Sequence
from typing import Any

from tests.bench.fibonacci import STEP

JSON = dict[str, Any]
PURE, IDEMPOTENT, EXTERNAL = "bench.pure", "bench.idempotent", "bench.external"


def chain(function: str, links: int) -> JSON:
    """`links` steps in a row."""
    keys = [f"s{number}" for number in range(1, links + 1)]
    return definition(f"{links} in a row, {function}", [step(key, function) for key in keys], itertools.pairwise(keys))


def fan(function: str, width: int) -> JSON:
    """One step, `width` in parallel, a join."""
    branches = [f"p{number}" for number in range(1, width + 1)]
    nodes = [step("first", function), *(step(key, function) for key in branches), step("join", function)]
    edges = [edge for key in branches for edge in (("first", key), (key, "join"))]
    return definition(f"{width} in parallel, {function}", nodes, edges)


def called(respond: str) -> JSON:
    """A webhook and one step."""
    hook = {"key": "hook", "type": "trigger.webhook", "config": {"respond": respond, "max_per_minute": 1_000_000}}
    return definition(f"called, answered {respond}", [hook, step("work", PURE)], [("hook", "work")])


def loop(items: int, body: JSON, *, parallel: int) -> JSON:
    """A loop over so many numbers, with one node in its body."""
    each = {"key": "each", "type": "loop.foreach", "config": {"items": list(range(items)), "parallel": parallel}}
    return definition(f"loop of {items}, {body['config'].get('function', body['type'])}", [each, {**body, "parent": "each"}], [])


def step(key: str, function: str) -> JSON:
    return {"key": key, "type": "function", "config": {"function": function, "arguments": {"number": STEP}}}


def definition(name: str, nodes: Sequence[JSON], edges: Iterable[tuple[str, str]]) -> JSON:
    return {
        "schema": 1,
        "name": name,
        "nodes": list(nodes),
        "edges": [{"source": source, "port": "out", "target": target} for source, target in edges],
    }
