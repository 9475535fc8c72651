"""The page `docs/nodes.md`, written from the node types themselves."""

import json
from typing import Any

from apps.nodes import builtin
from apps.nodes.catalog import COMMON_ERRORS, described
from apps.nodes.registry import all_types

_INTRODUCTION = """\
# Node types

What a node of each type does, what its `config` holds, and the codes it fails with. Values of a config may be expressions, `${…}`, but for
the fields that say otherwise. Every node has a port `error` besides those named here; it is taken when an edge leaves it and the node
has failed.

This page is written by `manage.py node_docs`; the same comes as JSON from `GET /api/v1/node-types`.
"""


def page() -> str:
    """The whole page, of the node types that come with StructForge."""
    own = [described(each) for each in all_types().values() if type(each).__module__.startswith(builtin.__name__)]
    common = ["## Errors of every node", "", _errors(COMMON_ERRORS)]
    return "\n".join([_INTRODUCTION, *(_section(each) for each in own), *common]) + "\n"


def _section(node_type: dict[str, Any]) -> str:
    ports = ", ".join(f"`{port}`" for port in node_type["ports"]["outputs"]) or "none but `error`"
    parts = [
        f"## `{node_type['name']}`",
        node_type["description"],
        node_type["help"],
        f"Effect: {node_type['effect']}. Ports: {ports}.",
        _config(node_type),
        _credentials(node_type["credentials"]),
        _example(node_type),
        f"Fails with:\n\n{_errors(node_type['errors'])}" if node_type["errors"] else "",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _config(node_type: dict[str, Any]) -> str:
    schema = node_type["config_schema"]
    tables = [_table(schema, schema)] if schema.get("properties") else ["It has no config."]
    for name, inner in schema.get("$defs", {}).items():
        tables.append(f"{name}:\n\n{_table(inner, schema)}")
    return "\n\n".join(tables)


def _table(schema: dict[str, Any], root: dict[str, Any]) -> str:
    required = schema.get("required", [])
    rows = [
        f"| `{name}` | {_type(field)} | {'' if name in required else _code(field.get('default'))} | {field.get('description', '')} |"
        for name, field in schema["properties"].items()
    ]
    return "\n".join(["| field | type | default (none: required) | |", "|---|---|---|---|", *rows])


def _type(field: dict[str, Any]) -> str:
    if "$ref" in field:
        return str(field["$ref"]).rpartition("/")[2]
    if "enum" in field:
        return " ".join(f"`{each}`" for each in field["enum"])
    if "anyOf" in field:
        return " or ".join(dict.fromkeys(_type(each) for each in field["anyOf"]))
    if field.get("type") == "array":
        return f"array of {_type(field['items'])}"
    return str(field.get("type", "any")) + _bounds(field)


def _bounds(field: dict[str, Any]) -> str:
    low, high = field.get("minimum", field.get("exclusiveMinimum")), field.get("maximum")
    return "" if high is None else f", {'over ' if 'exclusiveMinimum' in field else ''}{low} to {high}"


def _code(value: object) -> str:
    return f"`{json.dumps(value)}`"


def _credentials(slots: dict[str, Any]) -> str:
    lines = [
        f"- `{slot}`{' (required)' if each['is_required'] else ''}: {', '.join(f'`{name}`' for name in each['types'])}"
        for slot, each in slots.items()
    ]
    return "\n".join(["Credentials, by slot:", "", *lines]) if lines else ""


def _example(node_type: dict[str, Any]) -> str:
    node = {"key": node_type["name"].rpartition(".")[2], "type": node_type["name"], "config": node_type["example"]}
    return f"```json\n{json.dumps(node, indent=2, ensure_ascii=False)}\n```"


def _errors(errors: dict[str, str]) -> str:
    return "\n".join(f"- `{code}`: {when}" for code, when in errors.items())
