"""The clock of schedules: looks at the one that is next, sleeps until then, fires. In beat, in any number of copies."""

import logging
import threading
import time

from django.db import InterfaceError, OperationalError

from apps.executions.connection import TRANSIENT
from apps.triggers.schedules.firing import fire_batches, seconds_until_next

log = logging.getLogger(__name__)

# A schedule that was made meanwhile may be due before the one that is slept for.
MAX_SLEEP_SECONDS = 0.25
# What is due and in somebody else's hands is not asked for without a breath.
MIN_SLEEP_SECONDS = 0.02
AFTER_ERROR_SECONDS = 1.0


def run(stop: threading.Event) -> None:
    """Fire what is due until `stop` is set."""
    pause = MIN_SLEEP_SECONDS
    while not stop.wait(pause):
        pause = tick()


def tick() -> float:
    """Fire what is due; returns the seconds to sleep."""
    began = time.monotonic()
    try:
        seconds = seconds_until_next()
        if seconds is not None and seconds <= 0:
            fire_batches()
            seconds = seconds_until_next()
    except (*TRANSIENT, OperationalError, InterfaceError) as error:
        log.warning("The clock of schedules found no answer: %s", error)
        return AFTER_ERROR_SECONDS
    except Exception:
        log.exception("The clock of schedules failed; it goes on.")
        return AFTER_ERROR_SECONDS
    if (took := time.monotonic() - began) > AFTER_ERROR_SECONDS:
        log.info("Firing schedules took %.1f s.", took)
    return min(MAX_SLEEP_SECONDS, max(MIN_SLEEP_SECONDS, MAX_SLEEP_SECONDS if seconds is None else seconds))
