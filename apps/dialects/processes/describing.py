"""From a definition back to the form of a process, for what was saved in another way than as a form: a step for each node."""

from collections.abc import Mapping
from typing import Any

from apps.engine.outcomes import OUT

_TYPES = {"service.call": "service_task"}
_OF_NODE = (
    "name",
    "join",
    "retry",
    "on_error",
    "on_worker_lost",
    "timeout_seconds",
    "credentials",
    "queue",
    "disabled",
    "notes",
    "position",
)


def describe(definition: Mapping[str, Any]) -> dict[str, Any]:
    """The form, whose steps are the node types themselves: sent back, it says the same."""
    texts = {name: definition[name] for name in ("name", "description", "version") if definition.get(name)}
    inputs = definition.get("inputs", {})
    words = {name: word for name, word in inputs.items() if isinstance(word, str)} if isinstance(inputs, Mapping) else {}
    return {**texts, "variables": words, "steps": [_step(node, definition.get("edges", ())) for node in definition["nodes"]]}


def _step(node: Mapping[str, Any], edges: Any) -> dict[str, Any]:
    ways: dict[str, list[str]] = {}
    for edge in edges:
        if edge["source"] == node["key"]:
            ways.setdefault(edge.get("port", OUT), []).append(edge["target"])
    after, ports = ways.pop(OUT, []), ways
    said = {name: node[name] for name in _OF_NODE if name in node}
    step = {"id": node["key"], "type": _TYPES.get(node["type"], node["type"]), "config": node.get("config", {}), **said}
    return {**step, **({"next": after} if after else {}), **({"ports": ports} if ports else {})}
