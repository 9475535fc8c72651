"""Nodes that call installed Python functions."""

import traceback
from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field

from apps.engine.outcomes import Failed, NodeError, Outcome, Succeeded
from apps.engine.pointers import pointer_to
from apps.engine.problems import listed, nearest
from apps.nodes.contract import Effect, NodeConfig, NodeFailure, NodeType, RunContext, is_constant
from apps.nodes.functions import NodeFunction, all_functions, find_function
from apps.nodes.registry import register


class FunctionConfig(NodeConfig):
    function: str = Field(title="Function", min_length=1, max_length=255)
    """Name of a function that an installed package or module registers with `@node_function`."""

    arguments: dict[str, Any] = Field(default={}, title="Arguments")
    """What the function is called with, by the names of its parameters."""


@register
class Function(NodeType[FunctionConfig]):
    """Call an installed Python function; what it returns is the output.

    The function says by its registration whether it may run twice. It runs in a pool of processes of its own,
    so that one that crashes harms no other node.
    """

    name = "function"
    title = "Python function"
    category = "code"
    icon = "function"
    effect = Effect.EXTERNAL
    queue = "code"
    errors: ClassVar = {
        "function_error": "the function raised an exception; one that it raises as NodeFailure has a code of its own",
        "unknown_function": "the worker knows no function of this name",
        "invalid_arguments": "the function has no such parameters",
    }
    example: ClassVar = {"function": "example.add", "arguments": {"left": "${input.net}", "right": "${input.tax}"}}
    Config: ClassVar = FunctionConfig

    def effect_of(self, config: Mapping[str, Any]) -> Effect:
        function = find_function(config.get("function"))
        return self.effect if function is None else function.effect

    def is_brief(self, config: Mapping[str, Any]) -> bool:
        function = find_function(config.get("function"))
        return function is not None and function.brief

    def check(self, config: Mapping[str, Any]) -> list[tuple[str, str]]:
        if not is_constant(config["function"]):
            return [("/function", "Expected a name, found an expression: what a node does to the world must be known beforehand.")]
        function = find_function(config["function"])
        if function is None:
            return [("/function", _unknown("function", config["function"], list(all_functions())))]
        arguments = config.get("arguments", {})
        return _faults(function, arguments) if isinstance(arguments, Mapping) else []

    def run(self, config: FunctionConfig, context: RunContext) -> Outcome:
        function = find_function(config.function)
        faults = self.check(config.model_dump()) if function else []
        if function is None or faults:
            message = faults[0][1] if faults else f"This worker knows no function '{config.function}'."
            return Failed(NodeError("unknown_function" if function is None else "invalid_arguments", message), is_final=True)
        return _call(function, config.arguments, context)


def _unknown(what: str, name: str, known: list[str]) -> str:
    suggestion = nearest(name, known)
    return f"Unknown {what} '{name}'; " + (
        f"did you mean '{suggestion}'?" if suggestion else f"expected one of: {listed(known) or 'none'}."
    )


def _faults(function: NodeFunction, arguments: Mapping[str, Any]) -> list[tuple[str, str]]:
    known = function.parameters
    unknown = [(pointer_to("arguments", name), _unknown("argument", name, list(known))) for name in arguments if name not in known]
    missing = [name for name, is_required in known.items() if is_required and name not in arguments]
    return unknown + [("/arguments", f"Function '{function.name}' expects an argument '{name}', found none.") for name in missing]


def _call(function: NodeFunction, arguments: Mapping[str, Any], context: RunContext) -> Outcome:
    extra = {"context": context} if function.takes_context else {}
    try:
        return Succeeded(function.call(**arguments, **extra))
    except NodeFailure:
        raise
    except SystemExit as error:
        # The pool ends its children by an exit with a negative code, from a signal handler: that is none of the function's doing.
        if isinstance(error.code, int) and error.code < 0:
            raise
        return _function_error(function, error)
    except Exception as error:
        return _function_error(function, error)


def _function_error(function: NodeFunction, error: BaseException) -> Outcome:
    last = traceback.extract_tb(error.__traceback__)[-1]
    details = {"exception": type(error).__name__, "function": function.name, "line": last.lineno, "in": last.name}
    return Failed(NodeError("function_error", f"{type(error).__name__}: {str(error)[:2000]}", details))
