"""The document of an export: what it may hold, and how one from outside is read.

{"structforge": 1, "kind": "workflow" | "bundle", "workflows": [{"name": str, "description": str,
 "versions": [{"changelog": str, "definition": definition}]}]}, versions from the oldest to the newest. Numbers, people, times and what is
published belong to an installation, and stay there. Credentials do too: of them a node keeps the names of its slots.
"""

from typing import Any, Literal

import orjson
from pydantic import Field, ValidationError

from apps.engine.definition import Part
from apps.engine.errors import InvalidError
from apps.engine.json_values import check_json
from apps.engine.problems import MAX_PROBLEMS, Problem, problems_of, shown

FORMAT = 1
MAX_WORKFLOWS = 100
MAX_VERSIONS = 1000


class InvalidExportError(InvalidError):
    """The document is no export; details: {"errors": [problem]}, at most a hundred, pointers into the document."""

    code = "invalid_export"

    def __init__(self, problems: list[Problem]) -> None:
        first = problems[0]
        errors = [problem.as_json() for problem in problems[:MAX_PROBLEMS]]
        super().__init__(f"The import is not valid: {first.message} (at '{first.pointer}')", errors=errors)


class UnknownFormatError(InvalidError):
    """The document is an export of another format; details: {"found", "expected": 1}."""

    code = "unknown_export_format"


class ExportedVersion(Part):
    """One version of a workflow."""

    changelog: str = Field(default="", max_length=10_000)
    """What its author said of it."""
    definition: dict[str, Any]
    """The document of nodes and edges."""


class ExportedWorkflow(Part):
    """One workflow with its versions."""

    name: str = Field(min_length=1, max_length=128)
    """Its name in the workspace that it comes from."""
    description: str = ""
    """What it is for."""
    versions: tuple[ExportedVersion, ...] = Field(min_length=1, max_length=MAX_VERSIONS)
    """From the oldest to the newest."""


class Export(Part):
    """One workflow, or several."""

    structforge: Literal[1]
    """Version of this format."""
    kind: Literal["workflow", "bundle"]
    """Whether it was made of one workflow or of a choice of them."""
    workflows: tuple[ExportedWorkflow, ...] = Field(max_length=MAX_WORKFLOWS)
    """The workflows."""


def read_export(document: object) -> Export:
    """Read an export. Whether its definitions are valid is not asked here. Raises UnknownFormatError, InvalidExportError."""
    check_json(document)
    if isinstance(document, dict) and "structforge" in document and not _is_known(document["structforge"]):
        found = document["structforge"]
        raise UnknownFormatError(
            f"Expected an export of format {FORMAT}, found {shown(found)}. A newer StructForge may have written it.",
            found=found,
            expected=FORMAT,
        )
    try:
        export = Export.model_validate_json(orjson.dumps(document))
    except ValidationError as error:
        raise InvalidExportError(problems_of(error, Export, document)) from error
    if sum(len(workflow.versions) for workflow in export.workflows) > MAX_VERSIONS:
        raise InvalidExportError([Problem("/workflows", f"Expected at most {MAX_VERSIONS} versions in all, found more.")])
    return export


def _is_known(number: object) -> bool:
    return number == FORMAT and not isinstance(number, bool)
