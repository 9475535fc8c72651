"""What a step of the library becomes: a node type with its config."""

from collections.abc import Callable, Mapping
from typing import Any

SHELL, HTTP, FUNCTION = "shell", "http", "function"
MAX_SHELL_SECONDS = 3600
_SHELL_ALIASES = {"command": "script", "env": "environment"}


def node_of(executor_type: str, executor_config: Mapping[str, Any], *, timeout: int) -> dict[str, Any]:
    """{"type", "config", "credentials"} of the node that does what a step says.

    shell      {"command" or "script", "env", "stdin", "memory_mb"}    code.shell, in the sandbox
    http       config of http.request, and {"credential": id}          http.request
    function   {"function": name, "arguments": {…}}                    function
    timeout    seconds that one attempt may take
    """
    return _MAKERS[executor_type](executor_config, timeout)


def _shell(given: Mapping[str, Any], timeout: int) -> dict[str, Any]:
    config = {_SHELL_ALIASES.get(name, name): value for name, value in given.items()}
    return {"type": "code.shell", "config": {"timeout_seconds": min(timeout, MAX_SHELL_SECONDS), **config}}


def _http(given: Mapping[str, Any], timeout: int) -> dict[str, Any]:
    config = {"timeout_seconds": min(timeout, MAX_SHELL_SECONDS), **given}
    credential = config.pop("credential", None)
    return {"type": "http.request", "config": config, **({"credentials": {"default": credential}} if credential is not None else {})}


def _function(given: Mapping[str, Any], timeout: int) -> dict[str, Any]:
    return {"type": "function", "config": dict(given)}


_MAKERS: Mapping[str, Callable[[Mapping[str, Any], int], dict[str, Any]]] = {SHELL: _shell, HTTP: _http, FUNCTION: _function}


def origin_of(executor_type: str, executor_config: Mapping[str, Any], pointer: str) -> str:
    """The place in `executor_config` that a place in the config of its node comes from."""
    if executor_type != SHELL:
        return pointer
    first, _, rest = pointer.removeprefix("/").partition("/")
    alias = next((alias for alias, name in _SHELL_ALIASES.items() if name == first and alias in executor_config), first)
    return f"/{alias}/{rest}" if rest else f"/{alias}"
