"""What nodes that start executions have in common: of several in one workflow, one was meant."""

from collections.abc import Mapping
from typing import Any

from apps.engine.outcomes import Succeeded
from apps.nodes.contract import RunContext

TRIGGER = "$trigger"
"""Key of an input that says which node was meant, where the workflow has several that it may be."""
BY_HAND = "trigger.manual"
NOT_MEANT = "not_meant"
"""The port that the others take: no edge leaves it, so what stands behind them is skipped."""


def fired(context: RunContext, *, is_by_hand: bool = False) -> Succeeded:
    """The outcome of a node that may have been the start: the input of the execution is its output.

    is_by_hand   it is the one that is meant where nothing says which
    """
    found: Any = {} if context.input is None else context.input
    if not isinstance(found, Mapping) or TRIGGER not in found:
        return Succeeded({}, port=NOT_MEANT) if context.starts_by_hand and not is_by_hand else Succeeded(found)
    if found[TRIGGER] != context.key:
        return Succeeded({}, port=NOT_MEANT)
    return Succeeded({name: value for name, value in found.items() if name != TRIGGER})
