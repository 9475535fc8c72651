"""A function that a `function` node can call."""

from apps.nodes.contract import Effect
from apps.nodes.functions import node_function


@node_function("example.add", effect=Effect.PURE, brief=True)
def add(left: float, right: float = 0) -> float:
    """Add two numbers."""
    return left + right
