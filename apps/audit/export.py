"""The audit log as files."""

from collections.abc import Iterable, Iterator
from typing import Any

from apps.audit.models import AuditEntry
from apps.core.api.renderers import dumps
from apps.core.csv_cells import csv_lines

COLUMNS = (
    "id",
    "at",
    "workspace",
    "actor",
    "actor_name",
    "via",
    "ip",
    "user_agent",
    "verb",
    "object_type",
    "object_id",
    "object_name",
    "before",
    "after",
    "request_id",
    "previous_hash",
    "hash",
)
CONTENT_TYPES = {"csv": "text/csv; charset=utf-8", "jsonl": "application/x-ndjson"}


def as_json(entry: AuditEntry) -> dict[str, Any]:
    """An entry with all its columns, in their order."""
    named = {"workspace": entry.workspace_id, "actor": entry.actor_id}
    return {column: named[column] if column in named else getattr(entry, column) for column in COLUMNS}


def written(parts: Iterable[list[AuditEntry]], *, kind: str) -> Iterator[bytes]:
    """The file, part by part.

    kind   csv or jsonl
    """
    if kind == "csv":
        yield csv_lines([COLUMNS]).encode()
    for part in parts:
        rows = [as_json(entry) for entry in part]
        if kind == "csv":
            yield csv_lines([_cell(value) for value in row.values()] for row in rows).encode()
        else:
            yield b"".join(dumps(row) + b"\n" for row in rows)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    return dumps(value).decode().strip('"')
