"""Another workflow as a node."""

from collections.abc import Mapping
from typing import Any, ClassVar
from uuid import UUID

from pydantic import Field

from apps.engine.outcomes import Failed, NodeError, Outcome, StartChild, Succeeded
from apps.nodes.contract import Effect, NodeConfig, NodeType, RunContext, is_constant
from apps.nodes.registry import register


class CallConfig(NodeConfig):
    workflow: UUID = Field(title="Workflow", json_schema_extra={"widget": "workflow"})
    """Id of a workflow of the same workspace. Whoever saves this must be allowed to run it."""

    version: int | None = Field(default=None, ge=1, title="Version")
    """Number of the version to start. Empty: the one that is published at that time."""

    input: dict[str, Any] = Field(default={}, title="Input")
    """What it is started with, by name: any JSON values, with expressions in them."""

    wait: bool = Field(default=True, title="Wait for its end")
    """Without it the node is done once the execution has been started; it then lives a life of its own."""


@register
class Call(NodeType[CallConfig]):
    """Start another workflow; the output is its output, or {"execution": id} where nobody waits for the end.

    A waiting node holds no process. When it is cancelled, or its execution is, what it has started is cancelled as well; when that fails
    or is cancelled, the node fails. Each attempt starts an execution of its own. At most 10 executions
    lead to another, by calls, by events or over HTTP.
    """

    name = "workflow.call"
    title = "Call workflow"
    category = "workflow"
    icon = "workflow"
    # Its start is recorded in one commit with the node run: there is no telling of one without the other.
    effect = Effect.IDEMPOTENT
    brief = True
    errors: ClassVar = {
        "child_failed": "the execution failed; `details` has its id and its error",
        "child_cancelled": "the execution was cancelled; `details` has its id",
        "child_not_startable": "the workflow is gone, archived or unpublished, or has no such version",
        "invalid_input": "the input does not fit the inputs of the workflow",
        "quota_exceeded": "the workspace, or who started it all, may start no more; `details` has `name`, `limit` and `resets_at`",
        "too_deep": "more than 10 executions would have led to the one that it starts",
    }
    example: ClassVar = {"workflow": "0190a5c4-7a2e-7c3e-9f54-0c7f5c1f7d11", "input": {"order": "${input.order}"}}
    Config: ClassVar = CallConfig

    def check(self, config: Mapping[str, Any]) -> list[tuple[str, str]]:
        unknown = [name for name in ("workflow", "version") if not is_constant(config.get(name))]
        return [(f"/{name}", f"Expected a value, found an expression: the {name} must be known beforehand.") for name in unknown]

    def call_of(self, config: Mapping[str, Any]) -> tuple[str, int | None] | None:
        return str(config["workflow"]), config.get("version")

    def run(self, config: CallConfig, context: RunContext) -> Outcome:
        return StartChild(str(config.workflow), config.version, config.input, waits=config.wait)

    def resume(self, config: CallConfig, context: RunContext) -> Outcome:
        if context.signal is None:
            return Failed(NodeError("timeout", "The execution that it waited for took longer than the node's timeout_seconds."))
        details = {"execution": context.signal["execution"]}
        match context.signal["status"]:
            case "success":
                return Succeeded(context.signal["output"])
            case "cancelled":
                return Failed(NodeError("child_cancelled", f"Execution {details['execution']} was cancelled.", details))
        error = context.signal["error"] or {}
        message = f"Execution {details['execution']} failed: {error.get('message', 'no reason is known')}"
        return Failed(NodeError("child_failed", message, {**details, "error": error}))
