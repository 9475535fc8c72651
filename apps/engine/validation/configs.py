"""Is every node of a known type, and does its config fit? What an expression gives is checked when the node runs."""

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from apps.engine.definition import Definition, Node
from apps.engine.pointers import pointer_to
from apps.engine.problems import Problem, nearest, path_of, problem_of
from apps.engine.validation.draft import EXTERNAL, PURE, NodeTypeLike, Traits

# Their place is the key itself, which no expression can change.
_ABOUT_KEYS = frozenset({"missing", "extra_forbidden"})


def check_configs(definition: Definition, catalog: Mapping[str, NodeTypeLike], traits: dict[int, Traits]) -> Iterator[Problem]:
    """Faults of types and configs. Enters into `traits` what the types say of the nodes that have none."""
    for index, node in enumerate(definition.nodes):
        node_type = catalog.get(node.type)
        if node_type is None:
            yield _unknown_type(index, node, catalog)
            continue
        faults = _faults(node.config, node_type, f"/nodes/{index}/config")
        yield from faults
        if not faults:
            effect = node_type.effect_of(node.config)
            traits[index] = Traits(node_type.ports(node.config), is_pure=effect == PURE, is_external=effect == EXTERNAL)


def _unknown_type(index: int, node: Node, catalog: Mapping[str, NodeTypeLike]) -> Problem:
    return Problem(
        pointer_to("nodes", index, "type"),
        f"There is no node type '{node.type}'.",
        found=node.type,
        expected="the name of an installed node type",
        suggestion=nearest(node.type, catalog),
    )


def _faults(config: Mapping[str, Any], node_type: NodeTypeLike, base: str) -> list[Problem]:
    if problems := _model_faults(config, node_type.Config, base):
        return problems
    return [Problem(base + pointer, message) for pointer, message in node_type.check(config)]


def _model_faults(config: Mapping[str, Any], model: type[BaseModel], base: str) -> list[Problem]:
    try:
        model.model_validate(config)
    except ValidationError as error:
        certain = [each for each in error.errors(include_url=False) if not _depends_on_expression(each, config)]
        return [problem_of(each, model, config, base=base) for each in certain]
    return []


def _depends_on_expression(error: Mapping[str, Any], config: Mapping[str, Any]) -> bool:
    """Whether the value at fault, or the choice of what it had to be, waits for an expression."""
    path = path_of(error, config)
    if error["type"] in _ABOUT_KEYS:
        # Which alternative of a union applies may depend on an expression beside the key.
        is_in_union = len(path) < len(error["loc"])
        return is_in_union and _holds_expression(_value_at(config, path[:-1]))
    return _holds_expression(_value_at(config, path))


def _value_at(config: Any, path: list[str | int]) -> Any:
    for step in path:
        config = config[step]
    return config


def _holds_expression(value: Any) -> bool:
    match value:
        case str():
            return "${" in value
        case dict():
            return any(map(_holds_expression, value.values()))
        case list():
            return any(map(_holds_expression, value))
    return False
