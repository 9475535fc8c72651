"""After an update of the time zones, the instants that were calculated with the old rules are calculated again."""

import logging
import zoneinfo
from functools import lru_cache
from importlib import metadata
from pathlib import Path

from django.core.cache import cache
from django.db import transaction

from apps.engine.errors import StructForgeError
from apps.triggers.models import Schedule
from apps.triggers.schedules.actions import database_now, recompute
from apps.triggers.timing.zones import get_zone

log = logging.getLogger(__name__)

BATCH = 500
_KEY = "schedules.zone_rules"
_BY_CLOCKS = (Schedule.Kind.CRON, Schedule.Kind.ONCE)


@lru_cache(1)
def version() -> str:
    """Of the rules that this process reads, such as 2026a: those of the system, else of the package tzdata."""
    for folder in zoneinfo.TZPATH:
        index = Path(folder) / "tzdata.zi"
        if index.is_file():
            with index.open(encoding="utf-8") as lines:
                return lines.readline().strip("# \n")
    return metadata.version("tzdata")


def follow() -> int:
    """Calculate again where the rules are others than the last time; returns how many schedules that were."""
    before, now = cache.get(_KEY), version()
    if before == now:
        return 0
    count = 0 if before is None else _recompute_all()
    cache.set(_KEY, now, timeout=None)
    if count:
        log.info("Time zones %s in place of %s: %d schedules were calculated again.", now, before, count)
    return count


def _recompute_all() -> int:
    """What is due already stays as it is: it is fired this moment."""
    get_zone.cache_clear()
    active = Schedule.objects.filter(kind__in=_BY_CLOCKS, next_run_time__gt=database_now()).exclude(timezone="UTC")
    ids = list(active.order_by("pk").values_list("pk", flat=True))
    for first in range(0, len(ids), BATCH):
        with transaction.atomic():
            rows = Schedule.objects.filter(pk__in=ids[first : first + BATCH], next_run_time__gt=database_now()).order_by("pk")
            for schedule in rows.select_for_update(of=("self",)).prefetch_related("calendars"):
                _recompute(schedule)
    return len(ids)


def _recompute(schedule: Schedule) -> None:
    try:
        recompute([schedule])
    except StructForgeError as error:
        log.error("Schedule %s: %s", schedule.pk, error.message)  # it raises an alert when it is due
