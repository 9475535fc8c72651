"""Starting the executions of many schedules at once, each run with its outcome: one that cannot be started holds up no other."""

import logging
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.db import InterfaceError, OperationalError, transaction

from apps.engine.errors import StructForgeError
from apps.executions.actions import MAX_STARTS, Start, Started, start_executions
from apps.triggers.models import Schedule
from apps.triggers.schedules.inputs import input_of
from apps.triggers.schedules.patience import was_ended

log = logging.getLogger(__name__)

TRIGGER = "schedule"


@dataclass(frozen=True, slots=True)
class Wanted:
    """A run that is to start now.

    number   of the runs of its schedule, from 1; 0 of a backfill
    """

    schedule: Schedule
    scheduled_for: datetime
    number: int

    @property
    def idempotency_key(self) -> str:
        """The same for one instant, whoever fires it, also after a restored backup."""
        return f"sched:{self.schedule.pk}:{self.scheduled_for.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of it: an execution, or why there is none.

    has_begun   False: the execution stands in line
    error       {"code", "message", "details"}
    """

    wanted: Wanted
    execution_id: UUID | None = None
    has_begun: bool = True
    error: dict[str, Any] | None = None


def start_all(wanted: Iterable[Wanted]) -> list[Outcome]:
    """Start each within the caller's transaction. `schedule.workflow.published_version` should have been read with the schedule."""
    outcomes: list[Outcome] = []
    groups: dict[UUID, list[tuple[Wanted, Start]]] = defaultdict(list)
    for one in wanted:
        try:
            start = Start(input=input_of(one.schedule, one.scheduled_for, number=one.number), idempotency_key=one.idempotency_key)
        except StructForgeError as error:
            outcomes.append(failed(one, error))
        else:
            groups[one.schedule.workflow_id].append((one, start))
    for group in groups.values():
        for first in range(0, len(group), MAX_STARTS):
            outcomes += _start(group[first : first + MAX_STARTS])
    return outcomes


def _start(group: Sequence[tuple[Wanted, Start]]) -> list[Outcome]:
    """Start runs of one workflow in one statement; where that is refused, each by itself."""
    workflow = group[0][0].schedule.workflow
    try:
        with transaction.atomic():
            started = start_executions(
                workflow=workflow, version=workflow.published_version, starts=[start for _, start in group], trigger=TRIGGER
            )
    except (OperationalError, InterfaceError):
        raise
    except Exception as error:
        if was_ended(error):
            raise
        if len(group) > 1:
            return [outcome for each in group for outcome in _start([each])]
        if not isinstance(error, StructForgeError):
            log.exception("Schedule %s could not start its workflow.", group[0][0].schedule.pk)
        return [failed(group[0][0], error)]
    return [_begun(one, made) for (one, _), made in zip(group, started, strict=True)]


def _begun(wanted: Wanted, started: Started) -> Outcome:
    return Outcome(wanted, started.execution_id, has_begun=not started.is_limited)


def failed(wanted: Wanted, error: Exception) -> Outcome:
    """A run that an error kept from starting."""
    if isinstance(error, StructForgeError):
        return Outcome(wanted, error={"code": error.code, "message": error.message, "details": dict(error.details)})
    return Outcome(wanted, error={"code": "internal_error", "message": "StructForge itself failed; its log says more.", "details": {}})
