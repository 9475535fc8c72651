"""From alerts of schedules to messages: schedules know of no messages, and messages of no schedules."""

from typing import Any

from django.db import connection, transaction
from django.db.models.functions import Now

from apps.executions.connection import fetch
from apps.notifications.noting import note_of_schedule
from apps.triggers.models import ScheduleAlert

BATCH = 100
_ANY = "select exists (select from schedule_alert where told_at is null) as found"


def tell_alerts() -> int:
    """Write messages about alerts that nobody was told of yet; returns how many alerts that were."""
    if not fetch(_ANY, {})[0]["found"]:
        return 0
    try:
        return _tell()
    finally:
        if not connection.in_atomic_block:
            connection.close()


@transaction.atomic
def _tell() -> int:
    untold = ScheduleAlert.objects.filter(told_at__isnull=True).order_by("created_at").select_related("workflow")
    alerts = list(untold.select_for_update(of=("self",), skip_locked=True)[:BATCH])
    for alert in alerts:
        note_of_schedule(
            workspace_id=alert.workspace_id,
            kind=alert.kind,
            targets=alert.notify,
            at=alert.created_at.isoformat(),
            told=_told(alert),
        )
    ScheduleAlert.objects.filter(pk__in=[alert.pk for alert in alerts]).update(told_at=Now())
    return len(alerts)


def _told(alert: ScheduleAlert) -> dict[str, Any]:
    return {
        "schedule": {"id": str(alert.schedule_id) if alert.schedule_id else None, "name": alert.schedule_name},
        "workflow": {"id": str(alert.workflow_id), "name": alert.workflow.name},
        "alert": {
            "id": str(alert.pk),
            "kind": alert.kind,
            "count": alert.count,
            "first_for": alert.first_for.isoformat(),
            "last_for": alert.last_for.isoformat(),
        },
        "error": alert.error,
    }
