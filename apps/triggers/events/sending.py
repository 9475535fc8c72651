"""Keeping an event: once for each id of its source, in the caller's transaction. It is delivered after the commit."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import orjson
from django.db import connection, transaction

from apps.accounts.models import User, Workspace
from apps.core.depth import check_depth
from apps.core.ids import uuid7
from apps.engine.errors import InvalidError
from apps.engine.json_values import check_json
from apps.engine.waits import is_event_name
from apps.triggers.events.delivering import deliver
from apps.triggers.models_events import MAX_ID

MAX_BATCH = 100
MAX_DATA_BYTES = 256 * 1024
_KEEP = """
with wanted as (
    select v.* from rows from (jsonb_to_recordset(%s::jsonb) as (
        id uuid, type text, source text, event_id text, subject text, time timestamptz, data jsonb)) with ordinality
        as v(id, type, source, event_id, subject, time, data, place)
), made as (
    insert into event (id, workspace_id, origin, type, source, event_id, subject, time, data, depth, sent_by_id, created_at, started, woken,
                       problems)
    select w.id, %s, %s, w.type, w.source, w.event_id, w.subject, coalesce(w.time, clock_timestamp()), w.data, %s, %s, clock_timestamp(),
           '[]', 0, '[]'
      from wanted w order by w.source, w.event_id
    on conflict (workspace_id, source, event_id) do nothing returning id
)
select w.id, m.id is not null from wanted w left join made m on m.id = w.id order by w.place
"""


class InvalidEventError(InvalidError):
    """What was sent is no event; details: {"pointer": str}."""

    code = "invalid_event"


@dataclass(frozen=True, slots=True)
class NewEvent:
    """An event as its sender says it.

    id      the sender's, once for each source; empty: it has none, and each sending is another event
    time    None: now
    """

    type: str
    data: Any = None
    id: str = ""
    source: str = ""
    subject: str = ""
    time: datetime | None = None
    pointer: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Kept:
    """created   False: an event of this source with this id came before"""

    id: UUID
    created: bool


def send_events(*, workspace_id: UUID, events: Sequence[NewEvent], origin: str, sent_by: User | None = None, depth: int = 0) -> list[Kept]:
    """Keep events, all or none, and deliver them after the commit.

    depth   executions that led to them
    Raises InvalidEventError, InvalidJsonError, TooDeepError.
    """
    check_depth(depth)
    for event in events:
        _check(event)
    ids = [uuid7() for _ in events]
    documents = [
        {
            "id": row_id,
            "type": event.type,
            "source": event.source,
            "event_id": event.id or uuid4().hex,
            "subject": event.subject,
            "time": event.time,
            "data": event.data,
        }
        for row_id, event in zip(ids, events, strict=True)
    ]
    with connection.cursor() as cursor:
        sender = sent_by.pk if sent_by else None
        cursor.execute(_KEEP, [orjson.dumps(documents).decode(), workspace_id, origin, depth, sender])
        kept = [Kept(*row) for row in cursor.fetchall()]
    for one in kept:
        if one.created:
            transaction.on_commit(partial(deliver, one.id), robust=True)
    return kept


def emit(*, workspace: Workspace, type: str, data: Any = None, subject: str = "", id: str = "", source: str = "host") -> Kept:
    """Say from a program around StructForge that something happened: with its transaction, or not at all."""
    event = NewEvent(type=type, data=data, id=id, source=source, subject=subject)
    return send_events(workspace_id=workspace.pk, events=[event], origin="host")[0]


def _check(event: NewEvent) -> None:
    if not is_event_name(event.type):
        message = f"Expected a type of letters, digits, _ . / and -, which begins with a letter, found '{event.type[:60]}'."
        raise InvalidEventError(message, pointer=f"{event.pointer}/type")
    for name in ("id", "source", "subject"):
        if len(text := getattr(event, name)) > MAX_ID or "\0" in text:
            raise InvalidEventError(f"Expected at most {MAX_ID} characters without NUL in {name}.", pointer=f"{event.pointer}/{name}")
    check_json(event.data)
    if (size := len(orjson.dumps(event.data))) > MAX_DATA_BYTES:
        raise InvalidEventError(f"Expected data of at most {MAX_DATA_BYTES} bytes, found {size}.", pointer=f"{event.pointer}/data")
