"""Waking node runs that wait for somebody: by an event, or by a request to their own address."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson

from apps.accounts.models import User, Workspace
from apps.core.errors import GoneError
from apps.core.ids import uuid7
from apps.engine.errors import ConflictError, InvalidError
from apps.engine.json_values import JsonTooLargeError, check_json
from apps.engine.waits import NotACorrelationKeyError, correlation_key, event_signal, is_event_name
from apps.executions import handoff, protocol
from apps.executions.announcements import announce_hint
from apps.executions.protocol import Ready
from apps.executions.tokens import Place, ResumeTokenNotFoundError, read_token

BATCH = 500  # node runs that one statement wakes
MAX_PAYLOAD_BYTES = 256 * 1024
MAX_KEEP_SECONDS = 7 * 86_400
MAX_KEPT = 10_000  # events of one workspace
PRUNE = """
delete from received_event where id in (
    select id from received_event where created_at < clock_timestamp() - interval '30 days' and delivered_at is not null
     order by created_at limit %(limit)s)
returning id
"""

_TAKE = """
select take_event_v1(%(id)s, %(workspace)s, %(event)s, %(waits_for)s, %(payload)s::jsonb, %(idempotency_key)s, %(keep)s::interval,
                     %(max_kept)s, %(sent_by)s, %(limit)s, %(due)s::interval) as result
"""
_DELIVER = "select deliver_event_v1(%(id)s, %(limit)s, %(due)s::interval) as result"
_RESUME = "select resume_v1(%(id)s, %(execution)s, %(key)s, %(path)s, %(payload)s::jsonb, %(due)s::interval) as result"


class InvalidEventError(InvalidError):
    """The event cannot be one; details: {"pointer": str}."""

    code = "invalid_event"


class TooManyKeptError(ConflictError):
    """The workspace keeps as many events as it may."""

    code = "too_many_kept_events"


class AlreadyResumedError(ConflictError):
    code = "already_resumed"


class WaitIsOverError(GoneError):
    """The node run does not wait any more, and no request has woken it (HTTP 410)."""

    code = "wait_is_over"


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of an event.

    created       False when its idempotency key had brought this event before
    woken         node runs that it has woken
    is_delivered  False while it is kept for those who come later
    """

    event_id: UUID
    created: bool
    woken: int
    is_delivered: bool


def send_event(
    *,
    workspace: Workspace,
    event: str,
    correlation_key: Any = None,
    payload: Any = None,
    idempotency_key: str | None = None,
    keep_seconds: float | None = None,
    sent_by: User | None = None,
) -> Sent:
    """Wake every node run of the workspace that waits for this event now.

    keep_seconds   where nobody waits for it, keep it so long, up to seven days, for whoever waits first; None: it passes by
    Raises InvalidEventError, TooManyKeptError, JsonTooLargeError, and InvalidJsonError for a payload that is no JSON.
    """
    check_json(payload)
    document = orjson.dumps(payload).decode()
    parameters = {
        "id": uuid7(),
        "workspace": workspace.pk,
        "event": event,
        "waits_for": _waits_for(event, correlation_key),
        "payload": _small_enough(document),
        "idempotency_key": None if idempotency_key is None else f"event:{idempotency_key}",
        "keep": None if keep_seconds is None else f"{keep_seconds} s",
        "max_kept": MAX_KEPT,
        "sent_by": sent_by.pk if sent_by else None,
        "limit": BATCH,
        "due": f"{protocol.DUE_SECONDS} s",
    }
    result = protocol.call_repeating(_TAKE, **parameters)
    if result is None:
        raise TooManyKeptError(f"The workspace keeps {MAX_KEPT} events that nobody has waited for yet; that is all it may.")
    event_id = UUID(result["id"])
    final = _deliver_rest(event_id, result)
    return Sent(event_id, result["is_new"], final["woken"], final["is_delivered"])


def deliver_event(*, event_id: UUID) -> int:
    """Go on with an event whose delivery broke off, or that somebody waits for now; returns how many it has woken in all."""
    return int(_deliver_rest(event_id, _deliver(event_id))["woken"])


def resume_by_token(*, token: str, request: Mapping[str, Any]) -> None:
    """Wake the node run of an address, once; `request` is its output: {"method", "query", "headers", "body"}.

    Raises ResumeTokenNotFoundError, AlreadyResumedError, WaitIsOverError, JsonTooLargeError.
    """
    check_json(request)
    place = read_token(token)
    result = _resume(place, _small_enough(orjson.dumps(request).decode()))
    match result["outcome"]:
        case "woken":
            _send([result])
        case "used":
            raise AlreadyResumedError("A request to this address has resumed the execution before.")
        case "over":
            raise WaitIsOverError("The execution does not wait for a request to this address any more.")
        case _:
            raise ResumeTokenNotFoundError


def _resume(place: Place, payload: str) -> Mapping[str, Any]:
    result: Mapping[str, Any] = protocol.call_repeating(
        _RESUME,
        id=uuid7(),
        execution=place.execution_id,
        key=place.key,
        path=place.path,
        payload=payload,
        due=f"{protocol.DUE_SECONDS} s",
    )
    return result


def _deliver(event_id: UUID) -> dict[str, Any]:
    result: dict[str, Any] = protocol.call_repeating(_DELIVER, id=event_id, limit=BATCH, due=f"{protocol.DUE_SECONDS} s")
    return result


def _deliver_rest(event_id: UUID, result: dict[str, Any]) -> dict[str, Any]:
    """Send what was woken, and wake the rest, until nothing is left."""
    while result["ready"]:
        _send(result["ready"])
        if result["is_delivered"]:
            break
        result = _deliver(event_id)
    return result


def _send(rows: Sequence[Mapping[str, Any]]) -> None:
    # Nodes that wait are brief, all of them, and so is going on from there.
    handoff.send(
        Ready(UUID(row["execution_id"]), UUID(row["version_id"]), row["key"], row["path"], row["queue"], row["priority"], is_brief=True)
        for row in rows
    )
    for row in rows:
        change = {name: row[name] for name in ("key", "path", "attempt", "revision")} | {"status": "queued"}
        announce_hint(UUID(row["execution_id"]), [change])


def _waits_for(event: str, key: Any) -> str:
    if not is_event_name(event):
        message = f"Expected a name of letters, digits, _ . / and -, which begins with a letter, found '{event[:60]}'."
        raise InvalidEventError(message, pointer="/event")
    try:
        return event_signal(event, correlation_key(key))
    except NotACorrelationKeyError as fault:
        raise InvalidEventError(str(fault), pointer="/correlation_key") from fault


def _small_enough(document: str) -> str:
    if (size := len(document.encode())) > MAX_PAYLOAD_BYTES:
        raise JsonTooLargeError(f"Expected at most {MAX_PAYLOAD_BYTES} bytes, found {size}.", max_bytes=MAX_PAYLOAD_BYTES, size_bytes=size)
    return document
