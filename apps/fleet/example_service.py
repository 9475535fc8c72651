"""A stand-in for the three services that a shop asks about an order: stock, credit, fraud.

It speaks plain HTTP on loopback, and behaves as such services do: answers depend on the order alone, some take a second, and some come as
503 with Retry-After the first time that they are asked. Nothing in it is a product; it is there so that the sample has somebody to call.

    POST /inventory  {"order_id": str, "items": [{"sku": str, "quantity": int}]}
                     → {"available": bool, "missing": [{"sku", "wanted", "in_stock"}]}
    POST /credit     {"order_id": str, "customer_id": str, "amount": number, "payment_method": str}
                     → {"approved": bool, "limit": number, "reason": str}
    POST /fraud      {"order_id": str, "amount": number, "country": str, "payment_method": str, "created_at": str}
                     → {"suspicious": bool, "risk": 0 to 100, "signals": [str]}
    GET  /health     → {"status": "ok"}

Amounts are in euros. Header `Idempotency-Key` names one call over all of its attempts.
"""

import argparse
import hashlib
import json
import signal
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

MAX_BODY_BYTES = 64 * 1024
MAX_REMEMBERED_CALLS = 10_000
BUSY_PERCENT = 8  # of calls are answered with 503 at their first attempt
SLOW_PERCENT = 12  # of calls take up to SLOWEST_SECONDS
SLOWEST_SECONDS = 1.5
RETRY_AFTER_SECONDS = 1

STOCK = {
    "KB-200": 60,
    "MS-110": 200,
    "MN-2700": 9,
    "LT-1450": 4,
    "DK-080": 30,
    "HS-310": 75,
    "CH-900": 7,
    "DS-1600": 1,
    "CB-020": 900,
    "WC-070": 10,
    "PR-440": 11,
    "SSD-2000": 48,
}
CREDIT_LIMITS = (500, 1_500, 3_000, 6_000, 12_000)
RISKY_AT = 70

Json = dict[str, Any]


def draw(*parts: str) -> int:
    """A number from 0 to 99 that is always the same for the same texts."""
    return int.from_bytes(hashlib.sha256("/".join(parts).encode()).digest()[:4], "big") % 100


def inventory(order: Mapping[str, Any]) -> Json:
    missing = [
        {"sku": item["sku"], "wanted": item["quantity"], "in_stock": STOCK.get(item["sku"], 0)}
        for item in order["items"]
        if item["quantity"] > STOCK.get(item["sku"], 0)
    ]
    return {"available": not missing, "missing": missing}


def credit(order: Mapping[str, Any]) -> Json:
    limit = CREDIT_LIMITS[draw("limit", order["customer_id"]) * len(CREDIT_LIMITS) // 100]
    is_prepaid = order["payment_method"] != "invoice"
    is_approved = is_prepaid or order["amount"] <= limit
    reason = "paid in advance" if is_prepaid else f"the credit limit is {limit} EUR"
    return {"approved": is_approved, "limit": limit, "reason": reason}


def fraud(order: Mapping[str, Any]) -> Json:
    weights = {
        "large amount by card": 40 if order["amount"] > 1500 and order["payment_method"] == "card" else 0,
        "ordered at night": 20 if order["created_at"][11:13] in {"00", "01", "02", "03", "04"} else 0,
        "address used by many": 30 if draw("address", order["order_id"]) < 10 else 0,
    }
    risk = min(100, draw("risk", order["order_id"]) * 45 // 100 + sum(weights.values()))
    return {"suspicious": risk >= RISKY_AT, "risk": risk, "signals": [signal for signal, weight in weights.items() if weight]}


CHECKS: dict[str, Callable[[Mapping[str, Any]], Json]] = {"/inventory": inventory, "/credit": credit, "/fraud": fraud}


class RefusedError(Exception):
    """A request that cannot be answered."""

    def __init__(self, status: HTTPStatus, message: str) -> None:
        super().__init__(message)
        self.status = status


class ExampleService(ThreadingHTTPServer):
    """The server, and what it remembers: how often each call was tried."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, host: str, port: int) -> None:
        super().__init__((host, port), Handler)
        self.stopping = threading.Event()
        self._attempts: OrderedDict[str, int] = OrderedDict()
        self._lock = threading.Lock()

    def attempt_of(self, call: str) -> int:
        """Count one more attempt of this call; 1 for the first."""
        with self._lock:
            self._attempts[call] = self._attempts.pop(call, 0) + 1
            if len(self._attempts) > MAX_REMEMBERED_CALLS:
                self._attempts.popitem(last=False)
            return self._attempts[call]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 60  # seconds that a connection may stay idle
    server: ExampleService

    def do_GET(self) -> None:
        if self.path == "/health":
            self._answer(HTTPStatus.OK, {"status": "ok"})
        else:
            self._answer(
                HTTPStatus.NOT_FOUND, {"error": f"There is no {self.path}; there are /health and, to post to, {', '.join(CHECKS)}."}
            )

    def do_POST(self) -> None:
        try:
            order = self._read()
            answer = self._check(order)
        except RefusedError as refused:
            self._answer(refused.status, {"error": str(refused)})
        else:
            self._answer_in_character(str(order["order_id"]), answer)

    def _read(self) -> Json:
        length = self.headers.get("Content-Length", "")
        if not length.isdigit() or int(length) > MAX_BODY_BYTES:
            self.close_connection = True  # the body stays unread
            raise RefusedError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"Expected a Content-Length up to {MAX_BODY_BYTES}, found '{length}'.")
        try:
            body = json.loads(self.rfile.read(int(length)))
        except ValueError as error:
            raise RefusedError(HTTPStatus.BAD_REQUEST, f"Expected JSON: {error}") from error
        if not isinstance(body, dict) or "order_id" not in body:
            raise RefusedError(HTTPStatus.BAD_REQUEST, "Expected an object with an order_id.")
        return body

    def _check(self, order: Json) -> Json:
        if (check := CHECKS.get(self.path)) is None:
            raise RefusedError(HTTPStatus.NOT_FOUND, f"There is no {self.path}; there are {', '.join(CHECKS)}.")
        try:
            return check(order)
        except (KeyError, TypeError, AttributeError) as error:
            raise RefusedError(HTTPStatus.BAD_REQUEST, f"The order lacks a field, or has one of another type: {error}") from error

    def _answer_in_character(self, order_id: str, answer: Json) -> None:
        call = self.headers.get("Idempotency-Key") or f"{self.path}/{order_id}"
        pace = draw("slow", self.path, order_id)
        if draw("busy", self.path, order_id) < BUSY_PERCENT and self.server.attempt_of(call) == 1:
            self._answer(HTTPStatus.SERVICE_UNAVAILABLE, {"error": "Busy; please ask again."}, {"Retry-After": str(RETRY_AFTER_SECONDS)})
        else:
            self.server.stopping.wait(SLOWEST_SECONDS * (pace + 1) / SLOW_PERCENT if pace < SLOW_PERCENT else 0)
            self._answer(HTTPStatus.OK, answer)

    def _answer(self, status: HTTPStatus, body: Json, headers: Mapping[str, str] | None = None) -> None:
        payload = json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(payload)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(payload)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: the execution shows what was asked and answered."""


def run(host: str = "127.0.0.1", port: int = 0) -> None:
    """Serve until SIGTERM or SIGINT; port 0 takes a free one. Prints the address."""
    with ExampleService(host, port) as service:

        def stop(signal_number: int, frame: object) -> None:
            service.stopping.set()
            threading.Thread(target=service.shutdown).start()  # waits for the loop below, so it cannot be called in it

        signal.signal(signal.SIGTERM, stop)
        signal.signal(signal.SIGINT, stop)
        print(f"The example service answers on http://{host}:{service.server_address[1]}", flush=True)
        service.serve_forever(poll_interval=0.2)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="A stand-in for the services that the sample calls.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    arguments = parser.parse_args()
    run(arguments.host, arguments.port)
