"""Beats beside each other."""

import logging
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from celery import current_app
from django.db import connection
from django_celery_beat.models import PeriodicTask

from workers.beat import Scheduler

pytestmark = pytest.mark.django_db(transaction=True)
BEATS = 4


def test_beats_that_start_together_make_the_periodic_tasks_of_celery_once(caplog):
    together = threading.Barrier(BEATS)

    def begin(_: int) -> None:
        beat = Scheduler(app=current_app._get_current_object(), lazy=True)
        together.wait(timeout=30)
        beat.install_default_entries({})
        connection.close()

    with caplog.at_level(logging.ERROR), ThreadPoolExecutor(BEATS) as pool:
        list(pool.map(begin, range(BEATS)))

    assert list(PeriodicTask.objects.filter(task="celery.backend_cleanup").values_list("name", flat=True)) == ["celery.backend_cleanup"]
    assert caplog.records == []
