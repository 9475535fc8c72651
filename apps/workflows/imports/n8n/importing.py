"""From the document to a definition that is valid."""

import re
from collections.abc import Mapping
from typing import Any

from apps.engine.problems import InvalidDefinitionError
from apps.engine.validation import validate
from apps.nodes.registry import all_types
from apps.workflows.imports.n8n.document import read_n8n
from apps.workflows.imports.n8n.translation import FindWorkflow, Translation
from apps.workflows.imports.report import Report

_ROUNDS = 5
_PLACE = re.compile(r"/(nodes|edges)/(\d+)(?:/|$)")


def from_n8n(document: Mapping[str, Any], find_workflow: FindWorkflow, pointer: str = "") -> tuple[dict[str, Any], Report]:
    """A valid definition and what became of each node.

    What turns out to be wrong only when the whole is validated is left out in another round, with the reason that validation gives.
    Raises InvalidForeignError where the document is no workflow of n8n, InvalidDefinitionError where nothing of it can be kept.
    """
    workflow = read_n8n(document, pointer)
    refused: dict[str, str] = {}
    for _ in range(_ROUNDS):
        translation = Translation(workflow, refused, find_workflow)
        definition, report = translation.run()
        try:
            validate(definition, all_types())
        except InvalidDefinitionError as error:
            found = _faulty(translation, definition, error)
            if not found.keys() - refused.keys():
                raise
            refused |= found
        else:
            return definition, report
    translation = Translation(workflow, dict.fromkeys(workflow.nodes, "It did not fit with what is around it."), find_workflow)
    definition, report = translation.run()
    validate(definition, all_types())
    return definition, report


def _faulty(translation: Translation, definition: Mapping[str, Any], error: InvalidDefinitionError) -> dict[str, str]:
    """{name of a node of n8n: what is wrong with what was drawn for it}"""
    found: dict[str, str] = {}
    for problem in error.details["errors"]:
        if (place := _PLACE.match(problem["pointer"])) is None:
            continue
        part = definition[place[1]][int(place[2])]
        for key in [part["key"]] if place[1] == "nodes" else [part["source"], part["target"]]:
            if (name := translation.owners.get(key)) is not None:
                found.setdefault(name, problem["message"])
                break
    return found
