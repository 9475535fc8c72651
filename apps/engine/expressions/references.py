"""Following a path through the values of a scope."""

from collections.abc import Mapping
from typing import Any

from apps.engine.expressions.errors import ExpressionError
from apps.engine.expressions.names import Scope
from apps.engine.expressions.syntax import Path
from apps.engine.problems import listed, nearest

_NOWHERE = object()


def read_path(path: Path, scope: Scope, default: object) -> Any:
    """The value at a path, `default` when a step leads nowhere."""
    value = scope.root(path.root)
    for step in path.steps:
        value = _stepped(value, step)
        if value is _NOWHERE:
            return default
    return value


def has_path(path: Path, scope: Scope) -> bool:
    """Whether every step of a path leads somewhere; the value may be null."""
    return read_path(path, scope, _NOWHERE) is not _NOWHERE


def _stepped(value: Any, step: str | int) -> Any:
    if isinstance(step, str):
        return value.get(step, _NOWHERE) if isinstance(value, Mapping) else _NOWHERE
    return value[step] if isinstance(value, list) and step < len(value) else _NOWHERE


def why_missing(path: Path, scope: Scope) -> ExpressionError:
    """The first step of a path that leads nowhere, in words."""
    value = scope.root(path.root)
    for count, step in enumerate(path.steps):
        inner = _stepped(value, step)
        if inner is _NOWHERE:
            return _no_such_step(Path(path.at, 1, path.root, path.steps[:count]), value, step)
        value = inner
    raise AssertionError(f"{path} is there")


def _no_such_step(place: Path, value: Any, step: str | int) -> ExpressionError:
    if isinstance(step, int):
        found = f"it has {len(value)} items" if isinstance(value, list) else f"it is {_kind(value)}"
        return ExpressionError(f"{place} has no item {step}: {found}.", offset=place.at)
    if not isinstance(value, Mapping):
        return ExpressionError(f"{place} has no '{step}': it is {_kind(value)}.", offset=place.at)
    if place.root == "nodes" and not place.steps:
        return ExpressionError(f"Node '{step}' has not run, so it has no output.", offset=place.at)
    if place.root == "nodes" and len(place.steps) == 1 and not value:
        return ExpressionError(
            f"Node '{place.steps[0]}' has no output '{step}': it did not run, was skipped, or gave none.", offset=place.at
        )
    there = f"it has {listed(map(str, value))}" if value else "it is empty"
    return ExpressionError(f"{place} has no '{step}': {there}.", offset=place.at, suggestion=nearest(step, map(str, value)))


def _kind(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case str():
            return "a text"
        case list():
            return "an array"
    return "an object"
