"""The yardstick: plain Celery with nothing of ours. Broker and results in Valkey, a prefork pool of two, no durability."""

import os
import time

from celery import Celery

from tests.bench.fibonacci import fib

# Not the current application: in the measuring process that one is ours.
app = Celery("plain", broker=os.environ["PLAIN_BROKER_URL"], backend=os.environ["PLAIN_RESULT_URL"], set_as_current=False)
app.conf.update(
    task_serializer="json",
    accept_content=["json"],
    worker_send_task_events=False,
    broker_connection_retry_on_startup=True,
    result_expires=600,
)


@app.task(name="plain.step")
def step(number: int) -> int:
    """One step of a chain."""
    return fib(number)


@app.task(name="plain.join")
def join(results: list[int]) -> int:
    """The body of a chord."""
    return len(results)


@app.task(name="plain.clock")
def clock() -> float:
    """When it began, in seconds of the machine's clock."""
    return time.time()
