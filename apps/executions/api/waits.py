"""How long a caller waits for the end of what it starts: `wait` in the body, or the header `Prefer`.

Source: RFC 7240, https://www.rfc-editor.org/rfc/rfc7240
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request

from apps.engine.statuses import SETTLED_EXECUTION
from apps.executions import queries
from apps.executions.api.serializers import MAX_WAIT_SECONDS, output_url
from apps.executions.wait import PLACES, wait_until_settled

RETRY_AFTER_SECONDS = 1
PREFER = OpenApiParameter(
    "Prefer",
    str,
    OpenApiParameter.HEADER,
    description=f"`wait=10`: wait up to so many seconds, {MAX_WAIT_SECONDS} at most, for the end; `respond-async`: do not wait. "
    "`wait` in the body goes before it.",
)
ACCEPTED_HEADERS = [
    OpenApiParameter("Location", str, OpenApiParameter.HEADER, description="The execution.", response=[200, 202]),
    OpenApiParameter("Retry-After", int, OpenApiParameter.HEADER, description="Seconds until it is worth asking.", response=[202]),
]
_PREFERENCE = re.compile(r"\s*([!#$%&'*+.^_`|~0-9A-Za-z-]+)\s*(?:=\s*\"?([^\";,]*)\"?)?\s*(?:;[^,]*)?")


class Wanted:
    """How long a request waits, and which of its preferences that honours.

    seconds   0: it does not wait
    """

    def __init__(self, request: Request, in_body: float | None) -> None:
        preferred = _preferences(request.headers.get("Prefer", ""))
        wait = preferred.get("wait", "")
        self._is_async = "respond-async" in preferred
        self._preferred = min(int(wait), MAX_WAIT_SECONDS) if wait.isascii() and wait.isdigit() and len(wait) < 10 else None
        self.seconds = float(self._preferred or 0) if in_body is None else in_body
        self._is_preferred = in_body is None

    def headers(self, *, has_ended: bool) -> dict[str, str]:
        """`Preference-Applied`, where the request has preferred anything that was done."""
        applied = ["respond-async"] if self._is_async and not has_ended else []
        if self._preferred and self._is_preferred:
            applied.append(f"wait={self._preferred}")
        return {"Preference-Applied": ", ".join(applied)} if applied else {}


def result_within(execution_id: UUID, seconds: float) -> dict[str, Any] | None:
    """Status and result of an execution that ends within so many seconds; None when it does not, or nobody may wait any more.

    {"status", "output", "output_url", "error", "finished_at"}
    """
    with _place() as has_place:
        if not (has_place and wait_until_settled(execution_id, seconds)):
            return None
    return result_of(execution_id)


def result_of(execution_id: UUID) -> dict[str, Any] | None:
    """As `result_within`, now."""
    result = queries.get_result(execution_id)
    if result["status"] not in SETTLED_EXECUTION:
        return None
    ref = result.pop("output_ref")
    return {**result, "output_url": output_url(execution_id, ref)}


@contextmanager
def _place() -> Iterator[bool]:
    has_place = PLACES.acquire(blocking=False)
    try:
        yield has_place
    finally:
        if has_place:
            PLACES.release()


def _preferences(header: str) -> dict[str, str]:
    """{name in small letters: value, "" without one}. Of two the first counts; what is malformed is passed over, as the standard says."""
    found: dict[str, str] = {}
    for part in header.split(","):
        if match := _PREFERENCE.fullmatch(part):
            found.setdefault(match[1].lower(), match[2] or "")
    return found
