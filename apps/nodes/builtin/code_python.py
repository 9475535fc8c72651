"""Python written in the workflow itself."""

import keyword
import logging
from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field

from apps.engine.outcomes import Failed, NodeError, Outcome, Succeeded
from apps.engine.pointers import pointer_to
from apps.nodes import python_sandbox
from apps.nodes.contract import Effect, NodeConfig, NodeFailure, NodeType, RunContext
from apps.nodes.python_check import fault_of
from apps.nodes.registry import register

log = logging.getLogger(__name__)


class PythonCodeConfig(NodeConfig):
    code: str = Field(title="Code", min_length=1, max_length=100_000, json_schema_extra={"widget": "code", "language": "python"})
    """Python. Its result is what it returns (`return` works at the top level), or the value of its last line if that is an expression.
    Expressions in `${…}` are not resolved here: give values in by `inputs`."""

    inputs: dict[str, Any] = Field(default={}, title="Inputs")
    """Variables of the code, by name: any JSON values, with expressions in them."""

    timeout_seconds: float = Field(default=10, title="Timeout in seconds", gt=0, le=300)
    """How long the code may run."""

    memory_mb: int = Field(default=64, title="Memory in MB", ge=1, le=256)
    """How much memory the code may take."""


@register
class PythonCode(NodeType[PythonCodeConfig]):
    """Run Python in a sandbox; what it returns is the output.

    The sandbox is an interpreter of its own: no files, no network, no environment, no packages. It knows functions, closures, dataclasses,
    comprehensions, `match`, `async` and the modules json, re, math, datetime, decimal, collections, itertools, functools, random, hashlib,
    base64, csv, copy, bisect and typing; it knows no `yield` and no inheritance. What is printed goes to the log of the worker, and into
    the details of an error. For packages, files or network write a function and call it by a `function` node.
    """

    name = "code.python"
    title = "Python code"
    category = "code"
    icon = "code"
    effect = Effect.PURE
    errors: ClassVar = {
        "code_error": "the code raised an exception, or is not Python; `details.line` says where",
        "timeout": "it ran longer than its time limit",
        "memory_exceeded": "it needed more memory than allowed",
        "sandbox_crashed": "the sandbox died; another attempt gets a new one",
        "sandbox_busy": "no sandbox became free within a minute",
        "sandbox_unavailable": "the sandbox cannot be started on this machine",
    }
    example: ClassVar = {
        "code": "total = sum(each['price'] * each['count'] for each in items)\nreturn {'total': total, 'is_large': total > limit}",
        "inputs": {"items": "${input.items}", "limit": 1000},
    }
    verbatim = frozenset(("code",))
    Config: ClassVar = PythonCodeConfig

    def check(self, config: Mapping[str, Any]) -> list[tuple[str, str]]:
        fault = fault_of(config["code"])
        inputs = config.get("inputs", {})
        return ([("/code", fault)] if fault else []) + (_bad_names(inputs) if isinstance(inputs, Mapping) else [])

    def run(self, config: PythonCodeConfig, context: RunContext) -> Outcome:
        if bad := _bad_names(config.inputs):
            return Failed(NodeError("invalid_config", bad[0][1], {"pointer": bad[0][0]}), is_final=True)
        printed = python_sandbox.Printed()
        try:
            output = python_sandbox.run(
                config.code,
                config.inputs,
                timeout_seconds=min(config.timeout_seconds, context.timeout_seconds or config.timeout_seconds),
                memory_bytes=config.memory_mb * 1024 * 1024,
                printed=printed,
                on_cancel=context.on_cancel,
            )
        except NodeFailure as failure:
            return _with(failure, printed.text)
        if printed.text:
            log.info("Node '%s' of execution %s printed: %s", context.key, context.execution_id, printed.text)
        return Succeeded(output)


def _bad_names(inputs: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [
        (pointer_to("inputs", name), f"Expected the name of a Python variable, found '{name}'.")
        for name in inputs
        if not name.isidentifier() or keyword.iskeyword(name)
    ]


def _with(failure: NodeFailure, printed: str) -> Failed:
    error = failure.outcome.error
    details = {**error.details, "printed": printed} if printed else error.details
    return Failed(NodeError(error.code, error.message, details, error.retry_after_seconds), is_final=failure.outcome.is_final)
