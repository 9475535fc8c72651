"""The limit on how long an execution runs that a workspace or the installation sets; starts and admissions apply it in PostgreSQL."""

from collections.abc import Iterator
from uuid import UUID

from django.db import connection

from apps.engine.definition import Definition
from apps.engine.problems import Problem

# A function, since behind the fence nobody sees the limit of the installation.
_MOST = "select max_seconds_v1(%s)"


def run_time_problems(workspace_id: UUID, definition: Definition) -> Iterator[Problem]:
    """What is wrong with the `timeout_seconds` of a definition in this workspace."""
    asked = definition.settings.timeout_seconds
    if asked is None:
        return
    with connection.cursor() as cursor:
        cursor.execute(_MOST, [workspace_id])
        (most,) = cursor.fetchone()
    if most is not None and asked > most:
        message = f"'timeout_seconds' is {asked:g}, but an execution in this workspace may run {most:g} s at most."
        yield Problem("/settings/timeout_seconds", message, found=f"{asked:g}", expected=f"at most {most:g}")
