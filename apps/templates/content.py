"""What a template is made of: a definition that carries nothing of the workspace that it comes from."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from apps.engine.definition import Definition
from apps.engine.errors import InvalidError
from apps.engine.input_schema import input_problems
from apps.engine.pointers import pointer_to
from apps.engine.problems import InvalidDefinitionError, Problem
from apps.engine.validation import validate
from apps.nodes.contract import is_constant
from apps.nodes.registry import all_types
from apps.templates.categories import TITLES

_NAMES_A_SECRET = re.compile(r"(authorization|cookie|api[-_]?key|access[-_]?key|token|secret|password|passwd)$", re.IGNORECASE)
_CARRIES_SECRETS = ("headers", "query")


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
    """Validate a definition, and the sample against its `inputs` where there is one. Raises InvalidDefinitionError, SampleInputError."""
    definition = validate(document, all_types()).definition
    if sample_input and (problems := input_problems(definition.input_schema, sample_input)):
        first = problems[0]
        message = f"The sample does not fit the inputs: {first.message} (at '{first.pointer}')"
        raise SampleInputError(message, errors=[problem.as_json() for problem in problems])
    return definition


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


def with_parameters(document: Mapping[str, Any], parameters: Mapping[str, Any]) -> dict[str, Any]:
    """A definition whose variables begin with other values. Raises InvalidDefinitionError for a name that is no variable."""
    variables = document.get("variables", {})
    if unknown := [name for name in parameters if name not in variables]:
        expected = f"one of {', '.join(variables)}" if variables else "none: the workflow has no variables"
        raise InvalidDefinitionError(
            [Problem(pointer_to("parameters", name), f"There is no variable '{name}'.", found=name, expected=expected) for name in unknown]
        )
    return {**document, "variables": {**variables, **{name: _begin(variables[name], parameters[name]) for name in parameters}}}


def _begin(variable: object, value: object) -> object:
    """The declaration of a variable, or its bare first value, with another one."""
    is_declared = isinstance(variable, Mapping) and "type" in variable and variable.keys() <= {"type", "default"}
    return {**variable, "default": value} if is_declared else value  # type: ignore[dict-item]  # a mapping, as is_declared says


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
