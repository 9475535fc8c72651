"""A loop over the items of an array."""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field

from apps.engine.outcomes import Failed, Iterate, NodeError, Outcome
from apps.engine.problems import shown
from apps.nodes.contract import Effect, NodeConfig, NodeType, RunContext, is_constant
from apps.nodes.registry import register

MAX_ITERATIONS = 100_000
MAX_PARALLEL = 1000


class ForeachConfig(NodeConfig):
    items: Any = Field(title="Items")
    """An expression that gives an array, such as `${input.orders}`; or an array as it is. The body reads each as `item`, and its number,
    from 0, as `index`."""

    parallel: int = Field(default=1, ge=1, le=MAX_PARALLEL, title="At once")
    """How many iterations run at once, at most. 1: one after the other."""

    on_failure: Literal["stop", "collect"] = Field(default="stop", title="When an iteration fails")
    """`stop` ends the loop as failed at the first failure; what runs is cancelled. `collect` goes on with the others, and has
    {"error": …} at the place of the failed one."""

    batch: int | None = Field(default=None, ge=1, le=MAX_ITERATIONS, title="Items of an iteration")
    """Hand the items to the body so many at a time: `item` is an array of them then."""


@register
class Foreach(NodeType[ForeachConfig]):
    """Run the nodes inside for each item of an array; the output is the array of their outputs, in the order of the items.

    The output of an iteration is that of the last node of the body, or an object of those that are last, by key. It is null where that
    node was skipped.
    """

    name = "loop.foreach"
    title = "For each"
    category = "loop"
    icon = "repeat"
    effect = Effect.PURE
    is_loop = True
    errors: ClassVar = {
        "items_not_a_list": "`items` gave something else than an array",
        "items_too_large": "the items are larger than 50 MB together",
        "too_many_items": f"there are more than {MAX_ITERATIONS} iterations to be made",
        "iteration_failed": "an iteration failed; `details` says which one, at which node, and why",
        "output_too_large": "the outputs of all iterations together are too large to be kept",
    }
    example: ClassVar = {"items": "${input.orders}", "parallel": 10, "on_failure": "collect"}
    Config: ClassVar = ForeachConfig

    def check(self, config: Mapping[str, Any]) -> list[tuple[str, str]]:
        items = config["items"]
        if isinstance(items, list) or not is_constant(items):
            return []
        return [("/items", f"Expected an array, or an expression that gives one, found {shown(items)}.")]

    def run(self, config: ForeachConfig, context: RunContext) -> Outcome:
        items = config.items
        if not isinstance(items, list):
            return Failed(NodeError("items_not_a_list", f"Expected an array in 'items', found {shown(items)}."), is_final=True)
        if config.batch is not None:
            items = [items[start : start + config.batch] for start in range(0, len(items), config.batch)]
        if len(items) > MAX_ITERATIONS:
            message = f"Expected at most {MAX_ITERATIONS} iterations, found {len(items)} items; 'batch' hands several to one iteration."
            return Failed(NodeError("too_many_items", message), is_final=True)
        return Iterate(items, parallel=config.parallel, collects=config.on_failure == "collect")
