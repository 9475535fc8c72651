"""A loop that goes on while a condition holds."""

from typing import ClassVar, Literal

from pydantic import Field, StrictBool

from apps.engine.outcomes import Deferred, Failed, Gathered, Iterate, NodeError, Outcome
from apps.nodes.builtin.loop_foreach import MAX_ITERATIONS
from apps.nodes.contract import Effect, NodeConfig, NodeType, RunContext
from apps.nodes.registry import register

MAX_SECONDS = 31 * 24 * 3600


class WhileConfig(NodeConfig):
    condition: StrictBool = Field(title="Condition")
    """An expression that gives true or false, asked before each iteration. In it, as in the body, `item` is the output of the iteration
    before (null at first), and `index` is how many iterations there were."""

    max_iterations: int = Field(ge=1, le=MAX_ITERATIONS, title="Iterations at most")
    """After so many the loop ends, whatever the condition says."""

    delay_seconds: float = Field(default=0, ge=0, le=MAX_SECONDS, title="Pause between iterations")
    """Seconds from the end of an iteration until the condition is asked again. Nothing is held meanwhile."""

    at_limit: Literal["fail", "end"] = Field(default="fail", title="When there are no more iterations")
    """What follows when the condition still holds after `max_iterations`: `fail` with code `max_iterations`, or `end` as if it did not."""


@register
class While(NodeType[WhileConfig]):
    """Run the nodes inside as long as a condition holds; the output is {"count": iterations, "last": output of the last one}.

    An iteration that fails ends the loop as failed.
    """

    name = "loop.while"
    title = "While"
    category = "loop"
    icon = "refresh"
    effect = Effect.PURE
    is_loop = True
    binds_item = True
    errors: ClassVar = {
        "max_iterations": "the condition still held after the last iteration",
        "iteration_failed": "an iteration failed; `details` says which one, at which node, and why",
    }
    example: ClassVar = {"condition": "${index == 0 || item.status != 'done'}", "max_iterations": 100, "delay_seconds": 5}
    Config: ClassVar = WhileConfig

    def run(self, config: WhileConfig, context: RunContext) -> Outcome:
        return self._next(config, context)

    def resume(self, config: WhileConfig, context: RunContext) -> Outcome:
        is_woken_by_iteration = context.signal is not None
        if is_woken_by_iteration and config.delay_seconds:
            return Deferred(delay_seconds=config.delay_seconds)
        return self._next(config, context)

    def _next(self, config: WhileConfig, context: RunContext) -> Outcome:
        if not config.condition:
            return Gathered(is_last_only=True)
        if context.iterations < config.max_iterations:
            return Iterate()
        if config.at_limit == "end":
            return Gathered(is_last_only=True)
        message = f"The condition still holds after {config.max_iterations} iterations, which is 'max_iterations'."
        return Failed(NodeError("max_iterations", message), is_final=True)
