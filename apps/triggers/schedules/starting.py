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


# Runs of one workflow.
Group = Sequence[tuple[Wanted, Start]]


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
    parts = [group[first : first + MAX_STARTS] for group in groups.values() for first in range(0, len(group), MAX_STARTS)]
    return outcomes + (_start(parts) if parts else [])


def _start(groups: Sequence[Group]) -> list[Outcome]:
    """Start runs, those of each group in one statement. Where one is refused, smaller parts are tried, down to each run by itself.

    So there is one savepoint for all of them, as long as nothing is refused.
    """
    try:
        with transaction.atomic():
            return [outcome for group in groups for outcome in _start_group(group, among=sum(map(len, groups)))]
    except (OperationalError, InterfaceError):
        raise
    except Exception as error:
        if was_ended(error):
            raise
        if parts := _parts(groups):
            return [outcome for part in parts for outcome in _start(part)]
        [[(wanted, _)]] = groups
        if not isinstance(error, StructForgeError):
            log.exception("Schedule %s could not start its workflow.", wanted.schedule.pk)
        return [failed(wanted, error)]


def _parts(groups: Sequence[Group]) -> list[list[Group]]:
    """Each group by itself; of one group, each run by itself; of one run, nothing."""
    if len(groups) > 1:
        return [[group] for group in groups]
    [group] = groups
    return [[[one]] for one in group] if len(group) > 1 else []


def _start_group(group: Group, *, among: int) -> list[Outcome]:
    workflow = group[0][0].schedule.workflow
    started = start_executions(
        workflow=workflow, version=workflow.published_version, starts=[start for _, start in group], trigger=TRIGGER, among=among
    )
    return [_begun(one, made) for (one, _), made in zip(group, started, strict=True)]


def _begun(wanted: Wanted, started: Started) -> Outcome:
    return Outcome(wanted, started.execution_id, has_begun=not started.is_limited)


def failed(wanted: Wanted, error: Exception) -> Outcome:
    """A run that an error kept from starting."""
    if isinstance(error, StructForgeError):
        return Outcome(wanted, error={"code": error.code, "message": error.message, "details": dict(error.details)})
    return Outcome(wanted, error={"code": "internal_error", "message": "StructForge itself failed; its log says more.", "details": {}})
