"""Alerts: expected runs that did not start, or not in time. One is open per schedule and kind; more of the same are counted in it."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from django.db import connection, transaction
from django.db.models.functions import Now

from apps.accounts.models import User
from apps.core.audit import Verb, record
from apps.core.ids import uuid7
from apps.engine.errors import ConflictError
from apps.triggers.models import Schedule, ScheduleAlert, ScheduleRun
from apps.triggers.schedules.starting import Outcome

Kind = ScheduleAlert.Kind
_RAISE = """
insert into schedule_alert as a (id, workspace_id, workflow_id, schedule_id, schedule_name, kind, count, first_for, last_for, error, notify)
select v.id, v.workspace_id, v.workflow_id, v.schedule_id, v.schedule_name, v.kind, v.count, v.first_for, v.last_for, v.error, v.notify
  from jsonb_to_recordset(%s::jsonb) as v(id uuid, workspace_id uuid, workflow_id uuid, schedule_id uuid, schedule_name text, kind text,
                                          count bigint, first_for timestamptz, last_for timestamptz, error jsonb, notify text[])
    on conflict (schedule_id, kind) where closed_at is null
    do update set count = a.count + excluded.count, last_for = excluded.last_for, error = excluded.error
"""


class AlreadyClosedError(ConflictError):
    code = "already_closed"


def raise_missed(missed: Mapping[Schedule, Sequence[datetime]]) -> None:
    _raise(_row(schedule, Kind.MISSED, instants) for schedule, instants in missed.items())


def raise_failed(outcomes: Iterable[Outcome]) -> None:
    failed: dict[UUID, list[Outcome]] = {}
    for outcome in outcomes:
        if outcome.error:
            failed.setdefault(outcome.wanted.schedule.pk, []).append(outcome)
    _raise(
        _row(group[0].wanted.schedule, Kind.FAILED, [one.wanted.scheduled_for for one in group], group[-1].error)
        for group in failed.values()
    )


def raise_late(runs: Iterable[ScheduleRun]) -> None:
    late: dict[Schedule, list[datetime]] = {}
    for run in runs:
        late.setdefault(run.schedule, []).append(run.scheduled_for)
    _raise(_row(schedule, Kind.LATE, sorted(instants)) for schedule, instants in late.items())


def close_by_runs(schedule_ids: Iterable[UUID]) -> None:
    """A run has started: what was raised before is over."""
    ScheduleAlert.objects.filter(schedule__in=set(schedule_ids), closed_at__isnull=True).update(closed_at=Now())


@transaction.atomic
def close_alert(*, alert: ScheduleAlert, closed_by: User) -> ScheduleAlert:
    """Somebody has seen it. Raises AlreadyClosedError."""
    if not ScheduleAlert.objects.filter(pk=alert.pk, closed_at__isnull=True).update(closed_at=Now(), closed_by=closed_by):
        raise AlreadyClosedError("This alert is closed already.")
    record(Verb.SCHEDULE_ALERT_CLOSED, alert, after={"kind": alert.kind, "count": alert.count})
    alert.refresh_from_db()
    return alert


def _row(schedule: Schedule, kind: Kind, instants: Sequence[datetime], error: dict[str, Any] | None = None) -> dict[str, Any]:
    return {
        "id": uuid7(),
        "workspace_id": schedule.workspace_id,
        "workflow_id": schedule.workflow_id,
        "schedule_id": schedule.pk,
        "schedule_name": schedule.name,
        "kind": kind.value,
        "count": len(instants),
        "first_for": instants[0],
        "last_for": instants[-1],
        "error": error,
        "notify": schedule.notify,
    }


def _raise(rows: Iterable[dict[str, Any]]) -> None:
    # In one order everywhere, or two of these statements could wait for each other.
    documents = sorted(rows, key=lambda row: str(row["schedule_id"]))
    if documents:
        with connection.cursor() as cursor:
            cursor.execute(_RAISE, [orjson.dumps(documents).decode()])
