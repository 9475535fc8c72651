"""Python functions as nodes: `@node_function` registers them, packages bring them by the entry point `structforge.functions`."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any, TypeVar

from django.conf import settings

from apps.engine.errors import ConflictError, StructForgeError
from apps.nodes.contract import Effect

ENTRY_POINT_GROUP = "structforge.functions"
_VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)

Function = TypeVar("Function", bound=Callable[..., Any])


class DuplicateFunctionError(ConflictError):
    code = "duplicate_function"


class BrokenFunctionsError(StructForgeError):
    """A module of functions cannot be imported: a fault of the installation, not of who asks (HTTP 500)."""

    code = "broken_functions"


@dataclass(frozen=True, slots=True)
class NodeFunction:
    """A registered function.

    parameters      {name: whether it must be given}, without `context`
    takes_context   it has a parameter `context`, and gets the RunContext there
    """

    name: str
    call: Callable[..., Any]
    effect: Effect
    brief: bool
    description: str
    parameters: dict[str, bool]
    takes_context: bool

    @property
    def origin(self) -> str:
        return f"{self.call.__module__}.{self.call.__qualname__}"


_registered: dict[str, NodeFunction] = {}


def node_function(name: str, *, effect: Effect = Effect.EXTERNAL, brief: bool = False) -> Callable[[Function], Function]:
    """Make a function known to the node type `function` under a name, which is stable for ever.

    effect   PURE or IDEMPOTENT when running it twice does no harm; by default a person decides after its worker died
    brief    it always returns within milliseconds, so that several may share one message

    The function gets the node's arguments by name, and the RunContext in a parameter `context` if it has one. What it returns is the
    output, a JSON value. What it raises fails the node: NodeFailure with a code of its own, everything else with `function_error`.
    """

    def registered(call: Function) -> Function:
        function = _described(name, call, effect, brief)
        if (other := _registered.get(name)) is not None and other.origin != function.origin:
            raise DuplicateFunctionError(f"Two functions are named '{name}': {other.origin} and {function.origin}.", name=name)
        _registered[name] = function
        return call

    return registered


def _described(name: str, call: Callable[..., Any], effect: Effect, brief: bool) -> NodeFunction:
    parameters = inspect.signature(call).parameters
    if inspect.iscoroutinefunction(call) or any(each.kind in (*_VARIADIC, each.POSITIONAL_ONLY) for each in parameters.values()):
        raise TypeError(f"{name}: expected a plain function whose parameters all have names (no async, *args, **kwargs or /).")
    return NodeFunction(
        name=name,
        call=call,
        effect=effect,
        brief=brief,
        description=(inspect.getdoc(call) or "").split("\n", 1)[0],
        parameters={each.name: each.default is each.empty for each in parameters.values() if each.name != "context"},
        takes_context="context" in parameters,
    )


@cache
def load() -> None:
    """Import the modules of NODE_FUNCTION_MODULES and of every installed package of functions, once per process.

    Raises BrokenFunctionsError. Workers do so before they fork, so a module must not start threads or open connections when it is imported.
    """
    for module in settings.NODE_FUNCTION_MODULES:
        _import(module, partial(import_module, module), named_by="the setting NODE_FUNCTION_MODULES")
    for entry_point in entry_points(group=ENTRY_POINT_GROUP):
        _import(entry_point.value, entry_point.load, named_by=f"the entry point {ENTRY_POINT_GROUP}:{entry_point.name}")


def _import(module: str, load_it: Callable[[], object], *, named_by: str) -> None:
    try:
        load_it()
    except Exception as error:  # whatever somebody else's module may raise
        raise BrokenFunctionsError(
            f"Node functions: the module '{module}', named by {named_by}, cannot be imported. {type(error).__name__}: {error}",
            module=module,
        ) from error


def all_functions() -> dict[str, NodeFunction]:
    """{name: function}, sorted by name."""
    load()
    return dict(sorted(_registered.items()))


def find_function(name: object) -> NodeFunction | None:
    load()
    return _registered.get(name) if isinstance(name, str) else None
