"""What a Celery process does when it starts and when it stops."""

import contextlib
import logging
import os
import random
import threading
import time
from typing import Any

import psutil
from billiard.util import get_pdeathsig  # type: ignore[attr-defined]
from celery import signals
from channels.layers import get_channel_layer
from django.conf import settings
from redis import Redis

from apps.core import garbage
from apps.executions import protocol
from apps.executions.connection import TRANSIENT, close_pool
from apps.nodes import functions, registry
from workers import clock, host, housekeeping
from workers.heartbeat import Heartbeat
from workers.leases import mark_pool_child
from workers.sweepers import Sweeper

log = logging.getLogger(__name__)

_stop = threading.Event()
_heartbeats: list[Heartbeat] = []


def _sweep(*, slowness: float) -> None:
    redis = Redis.from_url(settings.REDIS_URL, socket_timeout=5, socket_connect_timeout=5, health_check_interval=5)
    sweeper = Sweeper(redis=redis)
    threading.Thread(target=sweeper.run, args=(_stop,), kwargs={"slowness": slowness}, name="sweeper", daemon=True).start()


@signals.beat_init.connect
def beat_started(**_: Any) -> None:
    """Beat is the clock of the installation: its sweepers run at full pace."""
    _sweep(slowness=1.0)
    threading.Thread(target=clock.run, args=(_stop,), name="clock", daemon=True).start()
    threading.Thread(target=housekeeping.run, args=(_stop,), name="housekeeping", daemon=True).start()


@signals.worker_init.connect
def worker_begins(**_: Any) -> None:
    """Load what pool children need before these are forked, so that they share it, and the one after a crash is soon there."""
    registry.load()
    try:
        functions.load()
    except functions.BrokenFunctionsError:  # workflows without functions run all the same; the others say so and stay queued
        log.exception("Workflows with functions stay queued until that is mended.")
    get_channel_layer()  # announcements are written in its format
    with contextlib.suppress(OSError):  # not on Linux
        # Children ask for it to be set. Where cffi is there, billiard does that by way of a parser of C, which takes 20 ms to load.
        get_pdeathsig()
    garbage.freeze_what_is_loaded()


@signals.worker_ready.connect
def worker_serves(sender: Any, **_: Any) -> None:
    """`sender` is the worker's consumer."""
    garbage.freeze_what_is_loaded()  # what Celery has built by now, too: it collects garbage before each fork
    pool = sender.pool
    heartbeat = Heartbeat(
        queues=list(sender.app.amqp.queues.consume_from), pool=type(pool).__module__.rpartition(".")[2], concurrency=pool.limit
    )
    threading.Thread(target=heartbeat.run, args=(_stop,), name="heartbeat", daemon=True).start()
    _heartbeats.append(heartbeat)


@signals.worker_ready.connect
def worker_started(**_: Any) -> None:
    """Every worker sweeps too, five to ten times as slowly, in case there is no beat."""
    _sweep(slowness=random.uniform(5, 10))


@signals.worker_process_init.connect
def pool_child_started(**_: Any) -> None:
    mark_pool_child()


@signals.worker_shutting_down.connect
def worker_told_to_stop(**_: Any) -> None:
    threading.Thread(target=_leave_in_time, name="leaving", daemon=True).start()


def _leave_in_time() -> None:
    """Celery waits for the tasks in hand however long they take, and for children that it lost count of."""
    time.sleep(settings.WORKER_STOP_SECONDS)
    children = psutil.Process().children(recursive=True)
    log.warning("Still at work after %g s: handing back.", settings.WORKER_STOP_SECONDS)
    for child in children:
        with contextlib.suppress(psutil.NoSuchProcess):
            child.kill()
    psutil.wait_procs(children, timeout=1)
    _hand_back()
    _leave()
    os._exit(0)


@signals.worker_shutdown.connect
def worker_stopped(**_: Any) -> None:
    _stop.set()
    _hand_back()
    _leave()
    close_pool()


def _leave() -> None:
    for heartbeat in _heartbeats:
        heartbeat.stop()


def _hand_back() -> None:
    """Let go of what this worker, or its pool children, still hold; it costs them no try."""
    try:
        gone = [worker for worker in protocol.running_workers(host=host.host()) if worker == host.label() or not host.is_alive(worker)]
        if gone:
            count = protocol.lapse(workers=gone, forgive=True)
            log.info("Handed back %d node runs.", count)
    except TRANSIENT as error:
        log.warning("Node runs in hand could not be handed back; their leases will lapse: %s", error)
