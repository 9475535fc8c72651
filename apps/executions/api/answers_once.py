"""The header `Idempotency-Key` of requests that make executions."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson
from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request

from apps.core.api.renderers import dumps
from apps.engine.errors import InvalidError
from apps.executions.idempotency import answer_once

MAX_KEY_LENGTH = 255
# How long a caller waits is no part of what it asks for: who lost the answer may have more time, or less.
_NOT_ASKED_FOR = frozenset({"wait"})

IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key",
    str,
    OpenApiParameter.HEADER,
    description="Up to 255 printable ASCII characters of your choice, such as a UUID. For a day, the same request with the same key makes "
    "nothing anew and is answered as the first one was; another request with it is refused with 422. A key is yours, in one workspace.",
)
IS_REPLAYED = OpenApiParameter(
    "Idempotent-Replayed",
    str,
    OpenApiParameter.HEADER,
    description="`true`: an earlier request with this key has had this answer; nothing was made.",
    response=[200, 201, 202],
)


class InvalidIdempotencyKeyError(InvalidError):
    code = "invalid_idempotency_key"


@dataclass(frozen=True, slots=True)
class Made:
    """A body, and headers that say whether it is an earlier request's."""

    body: dict[str, Any]
    headers: dict[str, str]


def made_once(request: Request, *, workspace_id: UUID, make: Callable[[], dict[str, Any]]) -> Made:
    """What `make` returns, or has returned for an earlier request with the same key. Without a key it is simply made.

    Raises InvalidIdempotencyKeyError, IdempotencyKeyReusedError, and what `make` raises.
    """
    key = idempotency_key(request)
    if key is None:
        return Made(make(), {})
    answer = answer_once(
        user=request.user, workspace_id=workspace_id, key=key, fingerprint=_fingerprint(request), make=lambda: dumps(make())
    )
    return Made(orjson.loads(answer.text), {"Idempotent-Replayed": "true"} if answer.is_replayed else {})


def idempotency_key(request: Request) -> str | None:
    """The header Idempotency-Key. Raises InvalidIdempotencyKeyError."""
    key = request.headers.get("Idempotency-Key")
    if key is not None and not (0 < len(key) <= MAX_KEY_LENGTH and key.isascii() and key.isprintable()):
        message = f"Expected 1 to {MAX_KEY_LENGTH} printable ASCII characters in Idempotency-Key, found {len(key)} characters."
        raise InvalidIdempotencyKeyError(message, header="Idempotency-Key")
    return key


def _fingerprint(request: Request) -> str:
    """A hash of method, address and body; neither the order of keys nor white space matters."""
    body = {name: value for name, value in request.data.items() if name not in _NOT_ASKED_FOR}
    asked = [request.method, request.get_full_path(), body]
    return hashlib.sha256(orjson.dumps(asked, option=orjson.OPT_SORT_KEYS)).hexdigest()
