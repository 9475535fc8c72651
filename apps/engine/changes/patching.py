"""The difference of two documents for programs."""

from typing import Any

import jsonpatch

from apps.engine.changes.parts import Document


def json_patch(old: Document, new: Document) -> list[dict[str, Any]]:
    """Operations that make `new` of `old`, exactly.

    Source: RFC 6902, by the library jsonpatch.
    """
    operations: list[dict[str, Any]] = jsonpatch.make_patch(old, new).patch
    return operations
