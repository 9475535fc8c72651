"""What is done once an execution has ended: follow-ups are planned and started, and who wants to know is told."""

import logging
from collections.abc import Callable, Iterable
from uuid import UUID

from django.db import InterfaceError, OperationalError, connection, transaction

from apps.engine.definition import Event
from apps.executions.connection import fetch
from apps.executions.follow_ups.planning import plan_follow_ups
from apps.executions.follow_ups.starting import due, start_follow_up
from apps.executions.graphs import graphs
from apps.executions.models import Ending, Execution
from apps.notifications import handoff
from apps.notifications.callbacks import note_callback
from apps.notifications.delivering import announce_due
from apps.notifications.noting import note

log = logging.getLogger(__name__)

BATCH = 100
# One statement tells whether there is anything at all: mostly there is not.
_ANYTHING = """
select exists (select from execution_ending) as is_ended,
       exists (select from execution_follow_up where execution_id is null and error is null and due_at <= clock_timestamp()) as is_due,
       exists (select from notification_delivery where state = 'pending' and next_try_at <= clock_timestamp()) as is_untold
"""


def follow_up() -> int:
    """Plan what follows from what has ended, start what is due, and have told what is to be told. Returns how much that was."""
    [found] = fetch(_ANYTHING, {})
    if not any(found.values()):
        return 0
    try:
        return _each(_plan, _ended()) + _each(_start, _due()) + _announce()
    finally:
        connection.close()


def _each(do: Callable[[UUID], bool], ids: Iterable[UUID]) -> int:
    """Do it for each. One that fails, such as that of a node type which this worker lacks in the middle of a deploy, does not hold up the
    others: it stays where it is, and is tried again.
    """
    done = 0
    for one in ids:
        try:
            done += do(one)
        except (OperationalError, InterfaceError):
            raise
        except Exception:
            log.exception("What follows from execution or follow-up %s could not be done; it is tried again.", one)
    return done


def _announce() -> int:
    delivery_ids = announce_due(BATCH)
    handoff.send(delivery_ids)
    return len(delivery_ids)


def _due() -> Iterable[UUID]:
    return list(due().order_by("due_at").values_list("pk", flat=True)[:BATCH])


def _ended() -> Iterable[UUID]:
    return list(Ending.objects.order_by("at").values_list("pk", flat=True)[:BATCH])


@transaction.atomic
def _plan(execution_id: UUID) -> bool:
    """Plan what follows from one end; False when somebody else does."""
    ending = Ending.objects.select_for_update(of=("self",), skip_locked=True).filter(pk=execution_id).first()
    if ending is None:
        return False
    execution = Execution.objects.defer("input", "output", "variables").get(pk=execution_id)
    _tell(execution, plan_follow_ups(execution))
    ending.delete()
    return True


@transaction.atomic
def _start(follow_up_id: UUID) -> bool:
    started = start_follow_up(follow_up_id)
    if started is None:
        return False
    _tell(*started)
    return True


def _tell(execution: Execution, events: list[Event]) -> None:
    note(execution, events, graphs.get(execution.version_id).settings)
    note_callback(execution, events)
