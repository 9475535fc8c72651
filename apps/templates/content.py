"""What a template is made of: a definition that carries nothing of the workspace that it comes from."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from apps.engine.definition import Definition, parse_definition
from apps.engine.errors import InvalidError
from apps.engine.input_schema import input_problems
from apps.engine.pointers import pointer_to
from apps.engine.problems import MAX_PROBLEMS, InvalidDefinitionError, Problem, listed, nearest
from apps.engine.shapes import is_declaration
from apps.engine.validation import validate
from apps.nodes.contract import Effect, is_constant
from apps.nodes.registry import all_types, find_type
from apps.templates.categories import TITLES

_NAMES_A_SECRET = re.compile(r"(authorization|cookie|api[-_]?key|access[-_]?key|token|secret|password|passwd)$", re.IGNORECASE)
_IS_OF_CREDENTIALS = re.compile(r"/nodes/\d+/credentials(/|$)")
_CARRIES_SECRETS = ("headers", "query")
_TO_BE_LOOKED_AT = frozenset({"code", "integration"})


class SampleInputError(InvalidError):
    """The sample does not fit `inputs` of the definition; details: {"errors": [{"pointer", "message", …}]}."""

    code = "invalid_sample_input"


class SecretInTemplateError(InvalidError):
    """The definition has what looks like a secret, and everyone could read it; details: {"pointers": [str]}."""

    code = "secret_in_template"


def unbound(document: object) -> object:
    """A definition whose nodes name no credentials: whoever uses the template chooses their own."""
    if not isinstance(document, Mapping) or not isinstance(nodes := document.get("nodes"), list):
        return document
    return {**document, "nodes": [_without_credentials(node) for node in nodes]}


def _without_credentials(node: object) -> object:
    return {name: value for name, value in node.items() if name != "credentials"} if isinstance(node, Mapping) else node


def check_content(document: object, sample_input: Mapping[str, Any]) -> Definition:
    """Validate an unbound definition, and the sample against its `inputs` where there is one.

    Raises InvalidDefinitionError, SampleInputError.
    """
    definition = _validated(document)
    if sample_input and (problems := input_problems(definition.input_schema, sample_input)):
        first = problems[0]
        message = f"The sample does not fit the inputs: {first.message} (at '{first.pointer}')"
        raise SampleInputError(message, errors=[problem.as_json() for problem in problems])
    return definition


def _validated(document: object) -> Definition:
    try:
        return validate(document, all_types()).definition
    except InvalidDefinitionError as error:
        # What it takes for a workflow only: a credential where a node type insists on one.
        if all(_IS_OF_CREDENTIALS.match(each["pointer"]) for each in error.details["errors"]):
            return parse_definition(document)
        raise


def refuse_secrets(document: Mapping[str, Any]) -> None:
    """Raise SecretInTemplateError where a header or a query parameter holds a secret in plain text."""
    if pointers := list(_plain_secrets(document)):
        where = ", ".join(pointers[:5])
        message = f"Everyone in the installation could read what looks like a secret, at {where}. Take it from a credential or an input."
        raise SecretInTemplateError(message, pointers=pointers[:100])


def _plain_secrets(document: Mapping[str, Any]) -> Iterator[str]:
    for index, node in enumerate(document["nodes"]):
        for field in _CARRIES_SECRETS:
            values = node.get("config", {}).get(field)
            for name, value in values.items() if isinstance(values, Mapping) else ():
                if _NAMES_A_SECRET.search(name) and value and is_constant(value):
                    yield pointer_to("nodes", index, "config", field, name)


def with_credentials(document: Mapping[str, Any], credentials: Mapping[str, Any]) -> dict[str, Any]:
    """A definition whose nodes name these credentials: {node key: {slot: credential id}}. Raises InvalidDefinitionError."""
    keys = [node["key"] for node in document["nodes"]]
    if unknown := [key for key in credentials if key not in keys]:
        problems = [
            Problem(pointer_to("credentials", key), f"There is no node '{key}'.", key, "the key of a node", nearest(key, keys))
            for key in unknown
        ]
        raise InvalidDefinitionError(problems)
    nodes = [{**node, "credentials": credentials[node["key"]]} if node["key"] in credentials else node for node in document["nodes"]]
    return {**document, "nodes": nodes}


def strange_nodes(document: Mapping[str, Any]) -> tuple[Problem, ...]:
    """Warnings about nodes to look at where somebody else wrote the definition: what reaches the outside, and what is code."""
    found = ((index, node, find_type(node["type"])) for index, node in enumerate(document["nodes"]))
    return tuple(
        Problem(
            pointer_to("nodes", index), f"Somebody else wrote this template: look at node '{node['key']}' ({node['type']}) before it runs."
        )
        for index, node, kind in found
        if kind is not None and (kind.category in _TO_BE_LOOKED_AT or kind.effect_of(node.get("config", {})) is Effect.EXTERNAL)
    )[:MAX_PROBLEMS]


def with_parameters(document: Mapping[str, Any], parameters: Mapping[str, Any]) -> dict[str, Any]:
    """A definition whose variables begin with other values. Raises InvalidDefinitionError for a name that is no variable."""
    variables = document.get("variables", {})
    if unknown := [name for name in parameters if name not in variables]:
        expected = f"one of {listed(variables)}" if variables else "none: the workflow has no variables"
        problems = [
            Problem(pointer_to("parameters", name), f"There is no variable '{name}'.", name, expected, nearest(name, variables))
            for name in unknown
        ]
        raise InvalidDefinitionError(problems)
    return {**document, "variables": {**variables, **{name: _begin(variables[name], parameters[name]) for name in parameters}}}


def _begin(variable: object, value: object) -> object:
    """The declaration of a variable, or its bare first value, with another one."""
    return {**variable, "default": value} if is_declaration(variable) else value  # type: ignore[dict-item]  # a declaration is an object


def measures_of(document: Mapping[str, Any]) -> dict[str, Any]:
    """What lists show of a definition: {"node_count": int, "node_types": [str]}."""
    nodes = document["nodes"]
    return {"node_count": len(nodes), "node_types": sorted({node["type"] for node in nodes})}


def search_text_of(
    name: str, description: str, tags: Iterable[str], category: str, translations: Mapping[str, Mapping[str, Any]] | None = None
) -> str:
    """What a search looks in: the words of every language, in small letters."""
    texts = [name, description, *tags, category, *(titles[category] for titles in TITLES.values())]
    for each in (translations or {}).values():
        texts += [each["name"], each["description"], *each["tags"]]
    return "\n".join(texts).lower()
