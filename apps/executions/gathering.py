"""The output of a loop: those of its iterations, in order, put together as text, so that nobody has to hold them as values."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from uuid import UUID

import orjson

from apps.core import object_store
from apps.executions.connection import fetch_repeating
from apps.executions.protocol import MAX_OUTPUT_BYTES

PAGE = 1000
_OUTPUTS = """
select index, output, refs from iteration_outputs_v1(%(execution)s, %(key)s, %(path)s, %(sinks)s::text[], %(after)s, %(limit)s)
"""


class TooLargeError(Exception):
    """The outputs are larger than what is kept of one node run."""


def gather(*, execution_id: UUID, key: str, path: str, sinks: Sequence[str]) -> bytes:
    """The outputs of all iterations as one JSON array. Raises TooLargeError, and what the object store raises."""
    parts: list[bytes] = []
    size = 2
    for output in _outputs(execution_id, key, path, sinks):
        size += len(output) + 1
        if size > MAX_OUTPUT_BYTES:
            raise TooLargeError
        parts.append(output)
    return b"[" + b",".join(parts) + b"]"


def output_of(*, execution_id: UUID, key: str, path: str, sinks: Sequence[str], index: int) -> bytes:
    """The output of one iteration as JSON text; null where there is none."""
    rows = _page(execution_id, key, path, sinks, after=index - 1, limit=1)
    return _text(rows[0], sinks) if rows and rows[0]["index"] == index else b"null"


def _outputs(execution_id: UUID, key: str, path: str, sinks: Sequence[str]) -> Iterator[bytes]:
    after = -1
    while rows := _page(execution_id, key, path, sinks, after=after, limit=PAGE):
        after = rows[-1]["index"]
        yield from (_text(row, sinks) for row in rows)
        if len(rows) < PAGE:
            return


def _page(execution_id: UUID, key: str, path: str, sinks: Sequence[str], *, after: int, limit: int) -> list[dict[str, Any]]:
    return fetch_repeating(
        _OUTPUTS, {"execution": execution_id, "key": key, "path": path, "sinks": list(sinks), "after": after, "limit": limit}
    )


def _text(row: Mapping[str, Any], sinks: Sequence[str]) -> bytes:
    if row["refs"]:
        stored = {sink: object_store.get(reference) for sink, reference in row["refs"].items()}
        if len(sinks) == 1:
            return stored[sinks[0]]
        return orjson.dumps(orjson.loads(row["output"]) | {sink: orjson.Fragment(data) for sink, data in stored.items()})
    return b"null" if row["output"] is None else str(row["output"]).encode()
