"""Calling back whoever has started an execution, at its end. What is told is as of `noting`, with the output: the starter may see it."""

from collections.abc import Iterable
from typing import Any

from django.conf import settings

from apps.engine.definition import Event
from apps.executions.follow_ups.accounts import account_of
from apps.executions.models import Callback, Execution
from apps.notifications.models import Delivery

PREFIX = "callback_"
"""Of the event of a delivery that its starter has asked for."""


def note_callback(execution: Execution, events: Iterable[Event]) -> None:
    """Make the deliveries of an end to the `callback_url` of its start, in the transaction in which what follows is planned."""
    if not events:
        return
    url = Callback.objects.filter(execution=execution).values_list("url", flat=True).first()
    if url is not None:
        told = {**account_of(execution), "output": execution.output, "output_url": _output_url(execution)}
        Delivery.objects.bulk_create(_delivery(execution, event, url, told) for event in events)


def _delivery(execution: Execution, event: Event, url: str, told: dict[str, Any]) -> Delivery:
    payload = {"type": f"execution.{event}", "timestamp": told["execution"]["finished_at"], "data": told}
    return Delivery(
        workspace_id=execution.workspace_id,
        execution=execution,
        event=f"{PREFIX}{event}",
        channel=Delivery.Channel.WEBHOOK,
        target=url,
        payload=payload,
    )


def _output_url(execution: Execution) -> str | None:
    """Where a large output is. Written out: to ask Django for the address would load every page into the worker."""
    return f"{settings.PUBLIC_URL}/api/v1/executions/{execution.pk}/output" if execution.output_ref is not None else None
