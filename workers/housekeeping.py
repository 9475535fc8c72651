"""What need not be prompt: pruning, measuring what is stored, new rules of time zones. Beside the sweepers, which must not wait for it."""

import logging
import threading
from datetime import timedelta

from django.conf import settings
from django.utils import timezone

from apps.audit import actions as audit
from apps.core.connections import release_connection
from apps.quotas import actions as quotas
from apps.triggers.schedules import zone_rules

log = logging.getLogger(__name__)

PERIOD_SECONDS = 60.0
MAX_MEASURED = 20  # workspaces in one round


def keep_house() -> None:
    """One round: each part by itself, so that none keeps the others from their work."""
    for part in (_prune_audit, _measure_storage, quotas.forget_old_days, zone_rules.follow):
        try:
            part()
        except Exception:
            log.exception("%s failed; it is tried again.", part.__name__)
        finally:
            release_connection()


def run(stop: threading.Event) -> None:
    """Keep house until `stop` is set. In any number of processes: what two do at once is done twice, and no worse."""
    while not stop.wait(PERIOD_SECONDS):
        keep_house()


def _prune_audit() -> None:
    if settings.AUDIT_RETENTION_DAYS > 0:
        audit.prune(before=timezone.now() - timedelta(days=max(31, settings.AUDIT_RETENTION_DAYS)))


def _measure_storage() -> None:
    for _ in range(MAX_MEASURED):
        if not quotas.measure_due():
            return
