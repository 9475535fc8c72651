"""A stand-in for a service that is called: on loopback, over HTTP. It counts effects, and takes a repeated Idempotency-Key for one."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

HELD_WITHIN_SECONDS = 90


class CountingService(ThreadingHTTPServer):
    """POST /<name> does <name>; `/refused` is always refused.

    effects   names in the order in which they were done, each key once
    calls     names as often as they were asked for
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.effects: list[str] = []
        self.calls: list[str] = []
        self.held: str | None = None
        self.is_held = threading.Event()
        self.may_go_on = threading.Event()
        self._keys: set[str] = set()
        self._lock = threading.Lock()

    @property
    def place(self) -> str:
        return f"127.0.0.1:{self.server_port}"

    def forget(self) -> None:
        """Count anew."""
        self.effects.clear()
        self.calls.clear()

    def hold(self, name: str) -> None:
        """Do this once, and then leave whoever asked for it without an answer until `may_go_on`."""
        self.held = name
        self.is_held.clear()
        self.may_go_on.clear()

    def do(self, name: str, key: str) -> None:
        with self._lock:
            self.calls.append(name)
            if key not in self._keys:
                self._keys.add(key)
                self.effects.append(name)
            is_held, self.held = self.held == name, None if self.held == name else self.held
        if is_held:
            self.is_held.set()
            self.may_go_on.wait(HELD_WITHIN_SECONDS)


class _Handler(BaseHTTPRequestHandler):
    server: CountingService

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        name = self.path.strip("/")
        if name != "refused":
            self.server.do(name, self.headers["Idempotency-Key"] or self.headers["webhook-id"])
        self._answer(409 if name == "refused" else 200)

    def _answer(self, status: int) -> None:
        try:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")
        except OSError:
            return  # whoever asked is gone

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def counting_service() -> Iterator[CountingService]:
    with CountingService() as service:
        thread = threading.Thread(target=service.serve_forever)
        thread.start()
        try:
            yield service
        finally:
            service.may_go_on.set()
            service.shutdown()
            thread.join()
