"""Versions as written and as run, for whoever compares executions with them."""

from functools import lru_cache
from uuid import UUID

from apps.engine.definition import parse_definition
from apps.engine.errors import ConflictError, StructForgeError
from apps.engine.reruns import Compiled
from apps.workflows.compiled import compile_version
from apps.workflows.models import WorkflowVersion

KEPT_VERSIONS = 64


class VersionGoneError(ConflictError):
    """The version cannot be run any more; details: {"version": str, "reason": code of the fault}."""

    code = "version_gone"


@lru_cache(KEPT_VERSIONS)
def compiled_version(version_id: UUID) -> Compiled:
    """A version never changes, so that the process keeps it; whoever asks has checked that it may be used. Raises VersionGoneError."""
    found = WorkflowVersion.objects.only("definition").get(pk=version_id)
    try:
        definition = parse_definition(found.definition)
        return Compiled(definition, compile_version(definition))
    except StructForgeError as error:
        message = f"The version cannot be run any more: {error.message}"
        raise VersionGoneError(message, version=str(version_id), reason=error.code) from error
