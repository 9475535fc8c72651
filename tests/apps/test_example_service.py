"""The stand-in that the sample calls."""

import json
import threading
from collections.abc import Iterator
from http.client import HTTPConnection
from typing import Any

import pytest

from apps.fleet.example_service import BUSY_PERCENT, SLOW_PERCENT, ExampleService, draw

ORDER = {
    "customer_id": "C-1",
    "amount": 120.0,
    "payment_method": "card",
    "country": "SE",
    "created_at": "2026-10-26T12:00:00Z",
    "items": [{"sku": "WC-070", "quantity": 12}, {"sku": "NO-SUCH", "quantity": 1}, {"sku": "KB-200", "quantity": 1}],
}


def order_id_that_is(*, busy: bool) -> str:
    """The number of an order that the stock service answers at once, with or without being busy at first."""
    candidates = (f"SO-{number}" for number in range(1000))
    return next(
        each
        for each in candidates
        if (draw("busy", "/inventory", each) < BUSY_PERCENT) is busy and draw("slow", "/inventory", each) >= SLOW_PERCENT
    )


@pytest.fixture
def connection() -> Iterator[HTTPConnection]:
    with ExampleService("127.0.0.1", 0) as service:
        thread = threading.Thread(target=service.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        connection = HTTPConnection("127.0.0.1", service.server_address[1], timeout=5)
        yield connection
        connection.close()
        service.shutdown()
        thread.join()


def post(connection: HTTPConnection, path: str, body: Any, key: str = "k") -> tuple[int, Any]:
    connection.request("POST", path, body if isinstance(body, bytes) else json.dumps(body), {"Idempotency-Key": key})
    response = connection.getresponse()
    return response.status, json.loads(response.read())


def test_stock_that_is_missing_is_named(connection):
    status, answer = post(connection, "/inventory", {**ORDER, "order_id": order_id_that_is(busy=False)})

    assert status == 200
    assert answer == {
        "available": False,
        "missing": [{"sku": "WC-070", "wanted": 12, "in_stock": 10}, {"sku": "NO-SUCH", "wanted": 1, "in_stock": 0}],
    }


def test_a_busy_service_answers_the_second_attempt_of_the_same_call(connection):
    order = {**ORDER, "order_id": order_id_that_is(busy=True)}

    statuses = [post(connection, "/inventory", order, key)[0] for key in ("one", "one", "two", "two")]

    assert statuses == [503, 200, 503, 200]


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/inventory", b"{", 400),
        ("/inventory", b"\xff\xfe", 400),
        ("/inventory", [], 400),
        ("/inventory", {"items": []}, 400),
        ("/credit", {"order_id": "SO-1"}, 400),
        ("/inventory", {"order_id": "SO-1", "items": [{"sku": "KB-200", "quantity": "many"}]}, 400),
        ("/weather", {"order_id": "SO-1"}, 404),
        ("/inventory", b" " * 70_000, 413),
    ],
)
def test_what_it_cannot_answer_is_refused(connection, path, body, status):
    assert post(connection, path, body)[0] == status
