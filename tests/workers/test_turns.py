"""High priority goes first, and does not keep the rest of a fleet's work waiting for ever. On a real broker."""

import itertools
from collections.abc import Sequence
from typing import Any

import pytest
from django.conf import settings
from kombu import Connection, Consumer, Queue
from redis import Redis

from structforge.broker import HIGH_IN_A_ROW, Turns


@pytest.fixture
def broker():
    with Redis.from_url(settings.BROKER_URL) as client:
        client.flushdb()
    options = settings.CELERY_BROKER_TRANSPORT_OPTIONS
    with Connection(settings.BROKER_URL, transport=settings.CELERY_BROKER_TRANSPORT, transport_options=options) as connection:
        yield connection


def put(broker: Connection, queue: str, count: int) -> None:
    """So many messages as one start of a backlog would send."""
    target = broker.SimpleQueue(queue)
    for number in range(count):
        target.put({"number": number})
    target.close()


def taken(broker: Connection, queues: Sequence[str], count: int) -> list[str]:
    """The queues that the next messages come from, for one that takes them as a worker does: one at a time, acknowledging each."""
    came: list[str] = []

    def take(body: Any, message: Any) -> None:
        came.append(message.delivery_info["routing_key"])
        message.ack()

    with Consumer(broker, [Queue(name, routing_key=name) for name in queues], callbacks=[take], prefetch_count=1):
        while len(came) < count:
            broker.drain_events(timeout=30)
    return came


def test_the_workers_take_turns():
    assert settings.CELERY_BROKER_TRANSPORT_OPTIONS["queue_order_strategy"] == f"{Turns.__module__}:{Turns.__name__}"


def test_normal_work_has_a_fifth_of_a_fleet_however_much_of_high_priority_waits(broker):
    put(broker, "t.high", 60)
    put(broker, "t", 10)

    came = taken(broker, ["t.high", "t"], 40)

    assert came == [*["t.high"] * HIGH_IN_A_ROW, "t"] * 8


def test_what_has_high_priority_goes_before_a_backlog_of_the_rest(broker):
    put(broker, "t", 20)
    assert taken(broker, ["t.high", "t"], 5) == ["t"] * 5

    put(broker, "t.high", 3)
    assert taken(broker, ["t.high", "t"], 5) == ["t.high", "t.high", "t.high", "t", "t"]


def test_where_nothing_else_waits_all_of_high_priority_comes(broker):
    put(broker, "t.high", 12)
    assert taken(broker, ["t.high", "t"], 12) == ["t.high"] * 12


def test_queues_of_one_priority_take_turns(broker):
    for name in ("t.high", "u.high", "t", "u"):
        put(broker, name, 20)

    came = taken(broker, ["t.high", "t", "u.high", "u"], 20)

    assert came == [*["t.high", "u.high"] * (HIGH_IN_A_ROW // 2), "t", *["t.high", "u.high"] * (HIGH_IN_A_ROW // 2), "u"] * 2


def test_asking_again_before_a_message_has_come_changes_nothing():
    cycle = Turns()
    cycle.update(["t.high", "t"])
    assert [cycle.consume(2) for _ in range(20)] == [["t.high", "t"]] * 20
    for _ in itertools.repeat(None, HIGH_IN_A_ROW):
        cycle.rotate("t.high")
    assert [cycle.consume(2) for _ in range(3)] == [["t", "t.high"]] * 3
    cycle.rotate("t")
    assert cycle.consume(2) == ["t.high", "t"]
