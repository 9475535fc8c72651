"""The node types as JSON: what the editor draws, and what the docs say."""

import inspect
from typing import Any

from apps.nodes.contract import NodeType
from apps.nodes.functions import NodeFunction, all_functions
from apps.nodes.registry import all_types

# Codes that any node may fail with, whatever its type.
COMMON_ERRORS = {
    "expression_failed": "an expression in the config failed",
    "invalid_config": "the config does not fit, its expressions resolved",
    "output_not_json": "what the node returned is not JSON",
    "output_too_large": "the output is larger than 50 MB",
    "timeout": "it took longer than `timeout_seconds` of the node",
    "object_store_failed": "the object store, which keeps large outputs, cannot be reached or refuses",
    "object_missing": "a large output that it reads is not in the object store any more",
    "worker_lost": "its worker died too often",
    "internal_error": "a fault of the node type itself; the log of the worker says more",
}


def node_types() -> list[dict[str, Any]]:
    """What `GET /node-types` answers, sorted by name."""
    return [described(node_type) for node_type in all_types().values()]


def described(node_type: NodeType) -> dict[str, Any]:  # type: ignore[type-arg]  # of any config
    """One node type.

    {"name", "version", "title", "category", "icon", "description", "help", "effect", "queue",
     "ports": {"outputs": [str], "can_fail": bool}, "credentials": {slot: {"types": [name], "is_required": bool}},
     "errors": {code: text}, "verbatim": [field],
     "config_schema": JSON Schema, "example": object}

    effect and ports are those of the example; a node's own may depend on its config.
    """
    description, _, more = (inspect.getdoc(type(node_type)) or "").partition("\n")
    ports = node_type.ports(node_type.example)
    return {
        "name": node_type.name,
        "version": node_type.version,
        "title": node_type.title,
        "category": node_type.category,
        "icon": node_type.icon,
        "description": description,
        "help": _paragraphs(more),
        "effect": node_type.effect_of(node_type.example).value,
        "queue": node_type.queue_of(node_type.example),
        "ports": {"outputs": list(ports.outputs), "can_fail": ports.can_fail},
        "credentials": {slot: {"types": list(each.types), "is_required": each.is_required} for slot, each in node_type.credentials.items()},
        "errors": dict(node_type.errors),
        "verbatim": sorted(node_type.verbatim),
        "config_schema": _unwrapped(node_type.Config.model_json_schema()),
        "example": dict(node_type.example),
    }


def functions() -> list[dict[str, Any]]:
    """The functions that a `function` node may call, sorted by name."""
    return [_described_function(function) for function in all_functions().values()]


def _described_function(function: NodeFunction) -> dict[str, Any]:
    """{"name", "description", "effect", "parameters": [{"name": str, "is_required": bool}]}"""
    return {
        "name": function.name,
        "description": function.description,
        "effect": function.effect.value,
        "parameters": [{"name": name, "is_required": is_required} for name, is_required in function.parameters.items()],
    }


def _unwrapped(schema: Any) -> Any:
    """A JSON Schema whose descriptions are one line each: a docstring breaks where the source does."""
    if isinstance(schema, dict):
        return {
            name: " ".join(value.split()) if name == "description" and isinstance(value, str) else _unwrapped(value)
            for name, value in schema.items()
        }
    return [_unwrapped(each) for each in schema] if isinstance(schema, list) else schema


def _paragraphs(text: str) -> str:
    return "\n\n".join(" ".join(each.split()) for each in text.strip().split("\n\n"))
