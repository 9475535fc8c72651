"""From the document to a definition that is valid."""

import re
from collections.abc import Mapping
from typing import Any

from apps.engine.problems import InvalidDefinitionError
from apps.engine.validation import validate
from apps.nodes.registry import all_types
from apps.workflows.imports.dify.document import read_dify
from apps.workflows.imports.dify.translation import Translation
from apps.workflows.imports.report import Report

_ROUNDS = 6
_PLACE = re.compile(r"/(nodes|edges)/(\d+)(?:/|$)")


def from_dify(document: Mapping[str, Any]) -> tuple[dict[str, Any], Report]:
    """A valid definition and what became of each node.

    What turns out to be wrong only when the whole is validated is left out in another round, with the reason that validation gives.
    Raises InvalidForeignError where the document is no application of Dify, InvalidDefinitionError where nothing of it can be kept.
    """
    app = read_dify(document)
    refused: dict[str, str] = {}
    for _ in range(_ROUNDS):
        translation = Translation(app, refused)
        definition, report = translation.run()
        try:
            validate(definition, all_types())
        except InvalidDefinitionError as error:
            found = _faulty(translation, definition, error)
            if not found.keys() - refused.keys():
                raise
            refused |= found
        else:
            break
    return definition, report


def _faulty(translation: Translation, definition: Mapping[str, Any], error: InvalidDefinitionError) -> dict[str, str]:
    """{id of a node of Dify: what is wrong with what was drawn for it}"""
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
