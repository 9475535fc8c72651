"""Items of a loop, stored once: in the row of the loop, or in blocks of the object store where they are many."""

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any
from uuid import UUID

import orjson

from apps.core import object_store
from apps.engine.errors import InvalidError
from apps.executions.protocol import INLINE_LIMIT_BYTES, MAX_OUTPUT_BYTES

BLOCK_BYTES = 512 * 1024
# Of parsed blocks, some ten times their size on disk; a loop is read by neighbouring iterations.
_KEPT_BLOCKS = 4


class ItemsTooLargeError(InvalidError):
    code = "items_too_large"


def store_items(items: Sequence[Any], workspace_id: UUID) -> Mapping[str, Any]:
    """{"items": [item]} or {"blocks": [[first index, reference]]}. Raises ItemsTooLargeError, and what the object store raises."""
    texts = [orjson.dumps(item) for item in items]
    size = sum(map(len, texts)) + len(texts)
    if size <= INLINE_LIMIT_BYTES:
        return {"items": items}
    if size > MAX_OUTPUT_BYTES:
        raise ItemsTooLargeError(f"The items have {size} bytes; at most {MAX_OUTPUT_BYTES} are kept.")
    return {"blocks": [[first, object_store.put(str(workspace_id), data)] for first, data in _blocks(texts)]}


def _blocks(texts: Sequence[bytes]) -> Iterator[tuple[int, bytes]]:
    first, size = 0, 0
    for index, text in enumerate(texts):
        if size + len(text) > BLOCK_BYTES and index > first:
            yield first, b"[" + b",".join(texts[first:index]) + b"]"
            first, size = index, 0
        size += len(text) + 1
    yield first, b"[" + b",".join(texts[first:]) + b"]"


def item_at(blocks: Sequence[Sequence[Any]], index: int) -> Any:
    """One item of those in blocks. Raises what the object store raises."""
    first, reference = max((block for block in blocks if block[0] <= index), key=lambda block: block[0])
    return _block(reference)[index - first]


@lru_cache(_KEPT_BLOCKS)
def _block(reference: str) -> list[Any]:
    items: list[Any] = orjson.loads(object_store.get(reference))
    return items
