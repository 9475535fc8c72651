"""Sending what is due: claimed in one statement, sent outside of any transaction, recorded in another."""

import logging
from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q
from django.db.models.functions import Now

from apps.engine.errors import ConflictError
from apps.notifications.channels import CHANNELS, NotTakenError
from apps.notifications.models import Delivery, DeliveryQuerySet

log = logging.getLogger(__name__)

State = Delivery.State
# Longer than a sending may take: whoever is late finds the claim gone.
LEASE = timedelta(seconds=120)
# A message to the workers that is lost is sent again after this.
SEND_AGAIN_AFTER = timedelta(seconds=30)


class StillPendingError(ConflictError):
    """It is to be sent anyhow."""

    code = "still_pending"


def announce_due(limit: int) -> list[UUID]:
    """Ids of deliveries that somebody should send now; for a while nobody else is told of them."""
    with transaction.atomic():
        due = Delivery.objects.filter(state=State.PENDING, next_try_at__lte=Now()).order_by("next_try_at")
        found = list(due.select_for_update(skip_locked=True).values_list("pk", flat=True)[:limit])
        Delivery.objects.filter(pk__in=found).update(next_try_at=Now() + SEND_AGAIN_AFTER)
    return found


def deliver(delivery_id: UUID) -> bool:
    """Send one; False when there is nothing to send, or somebody else is at it."""
    delivery = _claim(delivery_id)
    if delivery is None:
        return False
    try:
        CHANNELS[Delivery.Channel(delivery.channel)](delivery)
    except NotTakenError as error:
        _record(delivery, **_after(delivery, error))
    except Exception:
        log.exception("Delivery %s could not be sent.", delivery_id)
        _record(delivery, **_after(delivery, NotTakenError("internal_error", "StructForge itself failed; its log says more.")))
    else:
        _record(delivery, state=State.DELIVERED, delivered_at=Now(), error=None)
    return True


def redeliver(*, delivery_id: UUID) -> None:
    """Send it again, from the first attempt on. Raises StillPendingError."""
    again = Delivery.objects.filter(pk=delivery_id).exclude(state=State.PENDING)
    if not again.update(state=State.PENDING, attempts=0, next_try_at=Now(), delivered_at=None, token=None, leased_until=None):
        raise StillPendingError("It is to be sent, or sent again, anyhow.")


def delays() -> Sequence[float]:
    """Seconds after each failed attempt; after the last of them it is given up."""
    return [float(seconds) for seconds in settings.NOTIFICATION_DELAYS]


def _claim(delivery_id: UUID) -> Delivery | None:
    token = uuid4()
    free = Delivery.objects.filter(Q(leased_until__isnull=True) | Q(leased_until__lt=Now()), pk=delivery_id, state=State.PENDING)
    lease = Now() + LEASE
    claimed = free.update(token=token, leased_until=lease, next_try_at=lease, attempts=F("attempts") + 1)
    return Delivery.objects.get(pk=delivery_id) if claimed else None


def _record(delivery: Delivery, **changes: Any) -> None:
    _of_token(delivery).update(token=None, leased_until=None, **changes)


def _of_token(delivery: Delivery) -> DeliveryQuerySet:
    return Delivery.objects.filter(pk=delivery.pk, state=State.PENDING, token=delivery.token)


def _after(delivery: Delivery, error: NotTakenError) -> dict[str, Any]:
    after = delays()
    if error.is_final or delivery.attempts > len(after):
        return {"state": State.DEAD, "error": error.as_json()}
    delay = timedelta(seconds=max(after[delivery.attempts - 1], error.retry_after_seconds or 0.0))
    return {"next_try_at": Now() + delay, "error": error.as_json()}
