"""A node by itself: does its config fit its type, before it stands in a workflow?"""

from collections.abc import Iterator, Mapping
from typing import Any

from apps.engine.definition import parse_definition
from apps.engine.errors import InvalidError
from apps.engine.expressions import Names, check_template
from apps.engine.problems import MAX_PROBLEMS, Problem
from apps.engine.validation.configs import check_configs
from apps.nodes.registry import all_types

_KEY = "node"
_BASE = "/nodes/0"


class InvalidNodeError(InvalidError):
    """The config does not fit the node type; details: {"errors": [{"pointer", "message", …}]}, pointers into {"type", "config"}."""

    code = "invalid_node"


class _AnyName(frozenset[str]):
    """Declared names of a workflow that is not known yet: every name may be one."""

    def __contains__(self, name: object) -> bool:
        return True


def check_node(type: str, config: Mapping[str, Any]) -> None:
    """Raise InvalidNodeError where the type is unknown, the config does not fit it, or an expression does not compile.

    What expressions give, and whether the names in them are there, is known once the node stands in a workflow.
    """
    if problems := list(_problems(type, config))[:MAX_PROBLEMS]:
        message = f"The node is not valid: {problems[0].message} (at '{problems[0].pointer}')"
        raise InvalidNodeError(message, errors=[problem.as_json() for problem in problems])


def _problems(type: str, config: Mapping[str, Any]) -> Iterator[Problem]:
    catalog = all_types()
    definition = parse_definition({"name": _KEY, "nodes": [{"key": _KEY, "type": type, "config": config}]})
    for problem in check_configs(definition, catalog, {}):
        yield Problem(problem.pointer.removeprefix(_BASE), problem.message, problem.found, problem.expected, problem.suggestion)
    if type in catalog:
        _, faults = check_template(dict(config), Names(_AnyName(), _AnyName()), verbatim=catalog[type].verbatim)
        for fault in faults:
            yield Problem(f"/config{fault.pointer}", f"The expression does not compile: {fault.message}", expected="an expression in CEL")
