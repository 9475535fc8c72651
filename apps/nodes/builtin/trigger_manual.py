"""Where an execution begins that a person or a program starts."""

from typing import ClassVar

from apps.engine.input_schema import UnusableSchemaError, input_problems
from apps.engine.outcomes import Failed, NodeError, Outcome
from apps.nodes.contract import Effect, NodeConfig, NodeFailure, NodeType, RunContext
from apps.nodes.registry import register
from apps.nodes.triggering import NOT_MEANT, fired


class ManualTriggerConfig(NodeConfig):
    pass


@register
class ManualTrigger(NodeType[ManualTriggerConfig]):
    """Begin here when a person or a program starts the workflow; the output is the input of the execution.

    The input is checked against `inputs` of the definition; `invalid_input` lists what does not fit.
    """

    name = "trigger.manual"
    title = "Manual start"
    category = "trigger"
    icon = "play"
    effect = Effect.PURE
    brief = True
    errors: ClassVar = {
        "invalid_input": "the input does not fit `inputs` of the definition",
        "unusable_schema": "`inputs` is a JSON Schema that cannot be applied",
    }
    Config: ClassVar = ManualTriggerConfig

    def run(self, config: ManualTriggerConfig, context: RunContext) -> Outcome:
        outcome = fired(context, is_by_hand=True)
        if outcome.port == NOT_MEANT:
            return outcome
        found = outcome.output
        try:
            problems = input_problems(context.inputs_schema, found)
        except UnusableSchemaError as error:
            raise NodeFailure(error.code, error.message, is_final=True) from error
        if not problems:
            return outcome
        message = f"The input is not valid: {problems[0].message} (at '{problems[0].pointer}')"
        return Failed(NodeError("invalid_input", message, {"errors": [problem.as_json() for problem in problems]}), is_final=True)
