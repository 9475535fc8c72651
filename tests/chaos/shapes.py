"""The graphs of the load, as definition documents."""

from collections.abc import Iterable
from typing import Any

JSON = dict[str, Any]
IDEMPOTENT = "chaos.idempotent"
EXTERNAL = "chaos.external"
SLOW = "chaos.slow"


def load_a(function: str) -> JSON:
    """Ten nodes: a chain of two, five in parallel, a join, a chain of two."""
    #  a ─▶ b ─┬▶ p1 ─┬▶ j ─▶ t ─▶ u
    #          ├▶ …  ─┤
    #          └▶ p5 ─┘
    branches = [f"p{number}" for number in range(1, 6)]
    keys = ["a", "b", *branches, "j", "t", "u"]
    edges = [("a", "b"), *fan("b", branches, "j"), ("j", "t"), ("t", "u")]
    return definition(f"Load A, {function}", function, keys, edges)


def wide(width: int, function: str) -> JSON:
    """One node, `width` in parallel, a join."""
    branches = [f"p{number}" for number in range(1, width + 1)]
    return definition(f"Join of {width}, {function}", function, ["a", *branches, "j"], fan("a", branches, "j"))


def fan(source: str, branches: Iterable[str], target: str) -> list[tuple[str, str]]:
    """Edges from one node to many, and from those to one."""
    return [edge for branch in branches for edge in ((source, branch), (branch, target))]


def definition(name: str, function: str, keys: Iterable[str], edges: Iterable[tuple[str, str]]) -> JSON:
    """A definition whose nodes all call one function with their own key."""
    return {
        "schema": 1,
        "name": name,
        "nodes": [
            {
                "key": key,
                "type": "function",
                "config": {"function": function, "arguments": {"key": key}},
            }
            for key in keys
        ],
        "edges": [{"source": source, "port": "out", "target": target} for source, target in edges],
    }
