"""Load everything that the children will need, once, so that they share it."""

import ctypes
import gc
import sys
import threading
from importlib import import_module

import celery
import django
from django.conf import settings
from django.urls import get_resolver
from django.utils.module_loading import import_string

MODULES = (
    "celery.apps.beat",
    "celery.apps.worker",
    "celery.beat",
    "celery.bin.celery",
    "celery.concurrency.prefork",
    "celery.concurrency.thread",
    "celery.worker.consumer",
    "celery.worker.worker",
    "kombu.transport.redis",
    "uvicorn.lifespan.on",
    "uvicorn.loops.auto",
    "uvicorn.protocols.http.auto",
    "uvicorn.protocols.websockets.auto",
    "django_celery_beat.schedulers",
)
M_ARENA_MAX = -8


class ForkingUnsafeError(RuntimeError):
    """Something that was loaded has started a thread, which a forked child would lack."""


def preload() -> None:
    """Set Django and Celery up. Raises ForkingUnsafeError."""
    _bound_arenas()
    django.setup()
    for module in MODULES:
        import_module(module)
    celery.current_app.loader.import_default_modules()
    import_string(settings.ASGI_APPLICATION)
    get_resolver().url_patterns  # noqa: B018 (loading them is the point)
    if threading.active_count() > 1:
        raise ForkingUnsafeError(f"threads run before the children are forked: {threading.enumerate()}")
    gc.collect()
    gc.freeze()  # else the collector writes to the shared pages of every object


def _bound_arenas() -> None:
    """Have glibc keep two heaps instead of one for each thread; sixteen would hold freed memory apart."""
    if sys.platform == "linux" and hasattr(libc := ctypes.CDLL(None), "mallopt"):
        libc.mallopt(M_ARENA_MAX, 2)
