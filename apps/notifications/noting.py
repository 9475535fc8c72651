"""Writing down whom an end of an execution is to be told to, in the transaction in which what follows from it is planned."""

from collections.abc import Iterable, Iterator
from typing import Any
from uuid import UUID

from apps.engine.definition import ByWebhook, Event, Settings
from apps.executions.follow_ups.accounts import account_of
from apps.executions.models import Execution
from apps.notifications.models import Delivery


def note(execution: Execution, events: Iterable[Event], settings: Settings) -> None:
    """Make a delivery for each event and each address that asked for it."""
    wanted = [(event, channel, target) for event in events for channel, target in dict.fromkeys(_targets(settings, event))]
    if wanted:
        told = account_of(execution)
        Delivery.objects.bulk_create(_delivery(execution, event, channel, target, told) for event, channel, target in wanted)


def note_of_schedule(*, workspace_id: UUID, kind: str, targets: Iterable[str], at: str, told: dict[str, Any]) -> None:
    """Make a delivery of an alert for each mail address and URL.

    at     when it was raised, ISO 8601
    told   {"schedule", "workflow", "alert", "error"}
    """
    payload = {"type": f"schedule.{kind}", "timestamp": at, "data": told}
    common: dict[str, Any] = {"workspace_id": workspace_id, "event": f"schedule_{kind}", "payload": payload}
    Delivery.objects.bulk_create(Delivery(**common, channel=_channel(target), target=target) for target in dict.fromkeys(targets))


def _channel(target: str) -> Delivery.Channel:
    return Delivery.Channel.WEBHOOK if target.startswith(("http://", "https://")) else Delivery.Channel.EMAIL


def _targets(settings: Settings, event: Event) -> Iterator[tuple[Delivery.Channel, str]]:
    for notification in settings.notify:
        if event not in notification.on:
            continue
        if isinstance(notification, ByWebhook):
            yield Delivery.Channel.WEBHOOK, notification.webhook
        else:
            yield from ((Delivery.Channel.EMAIL, address) for address in notification.email)


def _delivery(execution: Execution, event: Event, channel: Delivery.Channel, target: str, told: dict[str, Any]) -> Delivery:
    at = told["execution"]["finished_at"]
    payload = {"type": f"execution.{event}", "timestamp": at, "data": told}
    return Delivery(workspace_id=execution.workspace_id, execution=execution, event=event, channel=channel, target=target, payload=payload)
