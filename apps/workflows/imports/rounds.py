"""From a translation to a definition that is valid as a whole."""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

from apps.engine.problems import InvalidDefinitionError
from apps.engine.validation import validate
from apps.nodes.registry import all_types
from apps.workflows.imports.report import Report

_ROUNDS = 6
_PLACE = re.compile(r"/(nodes|edges)/(\d+)(?:/|$)")


class Drawing(Protocol):
    """A translation. `owners`: {key of a node of ours: name of the foreign node that it was drawn for}, once it has run."""

    owners: dict[str, str]

    def run(self) -> tuple[dict[str, Any], Report]: ...


def draw_valid(draw: Callable[[dict[str, str]], Drawing], names: Iterable[str]) -> tuple[dict[str, Any], Report]:
    """A valid definition and what became of each node.

    What turns out to be wrong only when the whole is validated is left out in another round, with the reason that validation gives; after
    some rounds, everything is. Raises InvalidDefinitionError where nothing of it can be kept.

    draw    makes the translation that leaves these nodes out: {name: why}
    names   of all nodes
    """
    refused: dict[str, str] = {}
    for _ in range(_ROUNDS):
        drawing = draw(refused)
        definition, report = drawing.run()
        try:
            validate(definition, all_types())
        except InvalidDefinitionError as error:
            found = _faulty(drawing, definition, error)
            if not found.keys() - refused.keys():
                raise
            refused |= found
        else:
            return definition, report
    definition, report = draw(dict.fromkeys(names, "It did not fit with what is around it.")).run()
    validate(definition, all_types())
    return definition, report


def _faulty(drawing: Drawing, definition: Mapping[str, Any], error: InvalidDefinitionError) -> dict[str, str]:
    """{name of a foreign node: what is wrong with what was drawn for it}"""
    found: dict[str, str] = {}
    for problem in error.details["errors"]:
        if (place := _PLACE.match(problem["pointer"])) is None:
            continue
        part = definition[place[1]][int(place[2])]
        for key in [part["key"]] if place[1] == "nodes" else [part["source"], part["target"]]:
            if (name := drawing.owners.get(key)) is not None:
                found.setdefault(name, problem["message"])
                break
    return found
