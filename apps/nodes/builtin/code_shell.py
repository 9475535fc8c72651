"""Shell written in the workflow itself."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from pydantic import Field

from apps.engine.outcomes import Failed, NodeError, Outcome, Succeeded
from apps.engine.pointers import pointer_to
from apps.nodes import shell_sandbox
from apps.nodes.contract import Effect, NodeConfig, NodeType, RunContext, is_constant
from apps.nodes.registry import register

EXCERPT_LENGTH = 2000
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

Scalar = str | int | float | bool | None


class ShellCodeConfig(NodeConfig):
    script: str = Field(title="Script", min_length=1, max_length=100_000, json_schema_extra={"widget": "code", "language": "shell"})
    """What `sh` runs. `${…}` in it is the shell's own: give values in by `environment`."""

    environment: dict[str, Scalar] = Field(default={}, title="Environment", max_length=200)
    """Variables of the script, by name, with expressions in them."""

    stdin: str = Field(default="", title="Standard input", max_length=1_000_000)
    """What the script can read."""

    timeout_seconds: float = Field(default=60, title="Timeout in seconds", gt=0, le=3600)
    """How long the script may run."""

    memory_mb: int = Field(default=256, title="Memory in MB", ge=16, le=2048)
    """How much memory each of its processes may take."""


@register
class ShellCode(NodeType[ShellCodeConfig]):
    """Run a shell script in a sandbox; the output is {"exit_code": 0, "stdout", "stderr", "is_cut"}.

    The sandbox has the programs of the machine and an empty folder that goes afterwards; no network, no other files, no secrets, and no
    more than 64 processes. A script that ends with another status than 0 fails the node.
    """

    name = "code.shell"
    title = "Shell script"
    category = "code"
    icon = "terminal"
    effect = Effect.IDEMPOTENT  # nothing of it reaches the outside
    queue = "code"
    errors: ClassVar = {
        "exit_status": "the script ended with another status than 0; `details` has it, with what it wrote last",
        "timeout": "it ran longer than its time limit",
        "output_too_large": "it wrote more than 8 MB",
        "sandbox_unavailable": "the sandbox cannot be set up on this machine",
    }
    example: ClassVar = {"script": 'printf "%s" "$NAME" | tr a-z A-Z', "environment": {"NAME": "${input.name}"}}
    verbatim = frozenset(("script",))
    Config: ClassVar = ShellCodeConfig

    def check(self, config: Mapping[str, Any]) -> list[tuple[str, str]]:
        return list(_faults(config))

    def run(self, config: ShellCodeConfig, context: RunContext) -> Outcome:
        if faults := list(_faults(config.model_dump())):
            return Failed(NodeError("invalid_config", faults[0][1], {"pointer": faults[0][0]}), is_final=True)
        ended = shell_sandbox.run(
            config.script,
            environment={name: _text(value) for name, value in config.environment.items()},
            stdin=config.stdin,
            timeout_seconds=min(config.timeout_seconds, context.timeout_seconds or config.timeout_seconds),
            memory_bytes=config.memory_mb * 1024 * 1024,
            on_cancel=context.on_cancel,
        )
        if ended.exit_code:
            details = {"exit_code": ended.exit_code, "stdout": ended.stdout[-EXCERPT_LENGTH:], "stderr": ended.stderr[-EXCERPT_LENGTH:]}
            return Failed(NodeError("exit_status", f"The script ended with status {ended.exit_code}.", details))
        return Succeeded({"exit_code": 0, "stdout": ended.stdout, "stderr": ended.stderr, "is_cut": ended.is_cut})


def _faults(config: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if "\0" in config["script"]:
        yield "/script", "A script holds no NUL."
    environment = config.get("environment", {})
    for name, value in environment.items() if isinstance(environment, Mapping) else ():
        if not _NAME.fullmatch(name):
            yield pointer_to("environment", name), f"Expected letters, digits and _, no digit first, found '{name}'."
        elif is_constant(value) and "\0" in str(value):
            yield pointer_to("environment", name), "A variable holds no NUL."


def _text(value: Scalar) -> str:
    return {True: "true", False: "false", None: ""}[value] if isinstance(value, bool | None) else str(value)
