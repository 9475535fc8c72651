"""A load that nobody submits: schedules of a second each, which whoever runs a beat fires."""

from collections.abc import Sequence
from datetime import timedelta

from django.db import OperationalError, close_old_connections

from apps.accounts.models import User
from apps.triggers.models import Schedule
from apps.triggers.schedules.actions import create_schedule, database_now
from apps.workflows.models import Workflow
from tests.chaos.publishing import OPERATOR

# Until the first instant, so that all schedules are made by then.
BEGINS_AFTER = timedelta(seconds=15)


class Schedules:
    """Makes schedules, in turn of each workflow, that fire `count` times together. As `Submitter` otherwise.

    started   how many executions they start in all
    """

    slowest_seconds = 0.0

    def __init__(self, workflows: Sequence[Workflow], count: int, *, schedules: int) -> None:
        self._workflows, self._schedules = workflows, schedules
        self._times = max(1, count // schedules)
        self.started = self._times * schedules

    def start(self) -> None:
        first = database_now().replace(microsecond=0) + BEGINS_AFTER
        last = first + timedelta(seconds=self._times - 1)
        operator = User.objects.get(username=OPERATOR)
        for number in range(self._schedules):
            workflow = self._workflows[number % len(self._workflows)]
            create_schedule(
                workflow=workflow,
                user=operator,
                name=f"each second, {number}",
                kind=Schedule.Kind.INTERVAL,
                interval_seconds=1,
                start_at=first,
                end_at=last,
            )

    @property
    def is_done(self) -> bool:
        """All have fired for the last time; False while the database is away."""
        try:
            return not Schedule.objects.filter(next_run_time__isnull=False).exists()
        except OperationalError:
            close_old_connections()
            return False
