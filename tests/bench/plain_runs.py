"""The workloads as a user of plain Celery would write them."""

import statistics
import time

from celery import chain, chord, group

from tests.bench.fibonacci import STEP
from tests.bench.measure import seconds_of
from tests.bench.plain import clock, join, step

PATIENCE_SECONDS = 120


def chain_seconds(links: int) -> float:
    """W1: a chain, from the call that starts it to its result in hand."""

    def run() -> None:
        chain(*(step.si(STEP) for _ in range(links))).apply_async().get(timeout=PATIENCE_SECONDS, interval=0.001)

    return seconds_of(run)


def fan_seconds(width: int) -> float:
    """W2: one step, then a chord of `width` steps with a body."""

    def run() -> None:
        body = chord(group(step.si(STEP) for _ in range(width)), join.s())
        assert chain(step.si(STEP), body).apply_async().get(timeout=PATIENCE_SECONDS, interval=0.001) == width

    return seconds_of(run)


def chains_per_second(count: int, links: int = 3) -> float:
    """W3: short chains, as fast as one client sends them, to the last result."""

    def run() -> None:
        results = [chain(*(step.si(STEP) for _ in range(links))).apply_async() for _ in range(count)]
        for result in results:
            result.get(timeout=PATIENCE_SECONDS, interval=0.001)

    return count / seconds_of(run)


def start_seconds(count: int) -> float:
    """W4: from `delay()` to the first line of the task, one at a time; the median."""

    def one() -> float:
        called = time.time()
        return float(clock.delay().get(timeout=PATIENCE_SECONDS, interval=0.001)) - called

    return statistics.median(one() for _ in range(count))


def seconds_until_all_start(count: int) -> float:
    """W6: from the first `delay()` of many to the first line of the last task."""
    called = time.time()
    results = [clock.delay() for _ in range(count)]
    return max(float(result.get(timeout=PATIENCE_SECONDS, interval=0.001)) for result in results) - called
