"""Write entries of the audit log, in the transaction of the change that they tell of."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any
from uuid import UUID

import orjson
from django.db import connection
from django.db.models import Model

from apps.core.audit.redaction import changes, plain_text
from apps.core.audit.scene import MAX_ACTOR_NAME, current
from apps.core.audit.verbs import Verb

MAX_NAME = 200

_RECORD = "select audit_record_v1(%s::jsonb)"
_waiting: ContextVar[list[dict[str, Any]] | None] = ContextVar("waiting", default=None)


def record(
    verb: Verb,
    target: Model | None = None,
    *,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
    **more: Any,
) -> None:
    """Record a change: one statement, or none of its own inside `together`. Call it after the change, as the last of the transaction:
    further entries of the workspace wait for its commit.

    target          the row that was changed; it gives type, id, name and workspace of the object
    before, after   {field: value}; where both are given, only what differs is kept. Values under names such as `password` or `token`, and
                    values of types that are not plain, are left out
    more            as of `entry`
    """
    made = entry(verb, target, before=before, after=after, **more)
    waiting = _waiting.get()
    if waiting is None:
        _write([made])
    else:
        waiting.append(made)


@contextmanager
def together() -> Iterator[None]:
    """Write all that is recorded inside at its end, in one statement; nothing if an error ends it. To stand in a transaction."""
    if _waiting.get() is not None:
        yield
        return
    entries: list[dict[str, Any]] = []
    token = _waiting.set(entries)
    try:
        yield
    finally:
        _waiting.reset(token)
    if entries:
        _write(entries)


def entry(
    verb: Verb,
    target: Model | None = None,
    *,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
    actor: Any = None,
    actor_name: str | None = None,
    workspace_id: UUID | None = None,
    personal_of: UUID | None = None,
    object_type: str | None = None,
    object_id: object = None,
    object_name: str | None = None,
) -> dict[str, Any]:
    """One entry as `audit_record_v1` takes it, for statements that change and record in one.

    actor         who did it, where the request does not say: at a login
    workspace_id  where `target` does not say; entries without one are for the operators of the installation
    personal_of   id of a person whose personal workspace it belongs to
    """
    scene = current()
    actor = actor or scene.actor
    shown_before, shown_after = changes(before, after)
    workspace_id = workspace_id or _workspace_of(target)
    return {
        "workspace": str(workspace_id) if workspace_id else None,
        "personal_of": str(personal_of) if personal_of else None,
        "actor": str(actor.pk) if actor is not None else None,
        "actor_name": plain_text(actor_name or (str(actor) if actor is not None else ""), MAX_ACTOR_NAME),
        "via": scene.via,
        "ip": scene.ip,
        "user_agent": plain_text(scene.user_agent),
        "verb": verb.value,
        "object_type": object_type or (target._meta.model_name if target is not None else ""),
        "object_id": plain_text(str(object_id or (target.pk if target is not None else "")), MAX_NAME),
        "object_name": plain_text(object_name or (str(target) if target is not None else ""), MAX_NAME),
        "before": shown_before,
        "after": shown_after,
        "request_id": scene.request_id,
    }


def _workspace_of(target: Model | None) -> UUID | None:
    if target is None:
        return None
    found: UUID | None = target.pk if target._meta.model_name == "workspace" else getattr(target, "workspace_id", None)
    return found


def _write(entries: list[dict[str, Any]]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(_RECORD, [orjson.dumps(entries).decode()])
