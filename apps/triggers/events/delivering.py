"""Delivering an event: it wakes the nodes that wait for it and starts the workflows that listen, once however often it is tried."""

import logging
from collections.abc import Iterator
from datetime import UTC
from fnmatch import fnmatchcase
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import InterfaceError, OperationalError, connection, transaction
from django.db.models.functions import Now

from apps.core import fence
from apps.core.depth import TooDeepError, check_depth
from apps.engine.errors import StructForgeError
from apps.engine.expressions import ExpressionError, Scope
from apps.executions.actions import start_execution
from apps.executions.connection import fetch
from apps.executions.waking import send_event
from apps.nodes.builtin.trigger_event import filter_template
from apps.nodes.triggering import TRIGGER
from apps.triggers.models import Event, EventListener

log = logging.getLogger(__name__)

BATCH = 100
TRIGGER_NAME = "event"
MAX_PROBLEMS = 100
_UNDELIVERED = "select id from event where delivered_at is null order by created_at limit %(limit)s"
PRUNE = """
delete from event where id in (
    select id from event where created_at < clock_timestamp() - interval '30 days' and delivered_at is not null
     order by created_at limit %(limit)s)
returning 1
"""


def deliver_due() -> int:
    """Deliver what is not delivered yet: events of this installation, and those whose delivery broke off. Returns how many."""
    found = fetch(_UNDELIVERED, {"limit": BATCH})
    try:
        return sum(_tried(row["id"]) for row in found)
    finally:
        if found and not connection.in_atomic_block:
            connection.close()


def _tried(event_id: UUID) -> bool:
    try:
        return deliver(event_id)
    except (OperationalError, InterfaceError):
        raise
    except Exception:
        log.exception("Event %s could not be delivered; it is tried again.", event_id)
        return False


def deliver(event_id: UUID) -> bool:
    """Deliver one event; False when it is delivered, or in somebody else's hands.

    It goes beyond what the caller of a request may reach, since workflows that listen are started whoever sent the event.
    """
    with fence.lifted(), transaction.atomic():
        event = Event.objects.select_for_update(of=("self",), skip_locked=True).filter(pk=event_id, delivered_at__isnull=True).first()
        if event is None:
            return False
        _take_around(event)
        event.delivered_at = Now()
        event.save(update_fields=["started", "problems", "woken", "delivered_at"])
    return True


def _take_around(event: Event) -> None:
    """To all whom it concerns; one that too many executions led to goes nowhere, and says so."""
    try:
        check_depth(event.depth)
    except TooDeepError as error:
        event.problems.append({"code": error.code, "message": error.message})
        return
    for listener in _listeners(event):
        _start(event, listener)
    event.woken = _wake(event)


def as_facts(event: Event) -> dict[str, Any]:
    """What filters and the node's readers see."""
    return {
        "id": event.event_id,
        "type": event.type,
        "source": event.source,
        "subject": event.subject,
        "time": event.time.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "data": event.data,
    }


def _listeners(event: Event) -> Iterator[EventListener]:
    found = EventListener.objects.filter(workspace_id=event.workspace_id).select_related("workflow__published_version")
    for listener in found.order_by("created_at", "id"):
        if any(fnmatchcase(event.type, pattern.replace("[", "[[]")) for pattern in listener.types) and _fits(event, listener):
            yield listener


def _fits(event: Event, listener: EventListener) -> bool:
    if not listener.filter:
        return True
    try:
        return filter_template(listener.filter).resolve(Scope(input={"event": as_facts(event)}, env=settings.WORKFLOW_ENV)) is True
    except ExpressionError as error:
        if len(event.problems) < MAX_PROBLEMS:
            event.problems.append(_problem(listener, error.code, f"The filter cannot be evaluated: {error.message}"))
        return False


def _start(event: Event, listener: EventListener) -> None:
    meant = {TRIGGER: listener.node_key} if listener.has_siblings else {}
    try:
        with transaction.atomic():
            started = start_execution(
                workflow=listener.workflow,
                input={**meant, **as_facts(event)},
                trigger=TRIGGER_NAME,
                idempotency_key=f"event:{event.pk}:{listener.node_key}",
                depth=event.depth,
            )
    except StructForgeError as error:
        event.problems.append(_problem(listener, error.code, error.message))
    else:
        event.started.append(str(started.execution_id))


def _wake(event: Event) -> int:
    """Wake the nodes that wait for it: `control.wait_event` with its type, and its subject as correlation key."""
    sent = send_event(
        workspace=event.workspace, event=event.type, correlation_key=event.subject, payload=event.data, idempotency_key=f"event/{event.pk}"
    )
    return sent.woken


def _problem(listener: EventListener, code: str, message: str) -> dict[str, Any]:
    return {"workflow": str(listener.workflow_id), "node": listener.node_key, "code": code, "message": message[:1000]}
