"""A small HTTP client: kept connections, JSON both ways, as little of its own time as can be."""

import http.client
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import local
from typing import Any


class UnexpectedAnswerError(RuntimeError):
    """The server answered with another status than the one expected."""


class Client:
    """One kept connection for each thread that uses it."""

    def __init__(self, port: int, token: str = "") -> None:
        self._port, self._token = port, token
        self._local = local()

    def post(self, path: str, body: object, *, expect: tuple[int, ...] = (200, 201, 202)) -> Any:
        """The parsed answer. Raises UnexpectedAnswerError."""
        return self._ask("POST", path, json.dumps(body), expect)

    def get(self, path: str, *, expect: tuple[int, ...] = (200,)) -> Any:
        return self._ask("GET", path, None, expect)

    def forget(self) -> None:
        """Give this thread's connection up; the next request opens another."""
        self._connection().close()
        del self._local.connection

    def _ask(self, method: str, path: str, body: str | None, expect: tuple[int, ...]) -> Any:
        connection = self._connection()
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        data = response.read()
        if response.status not in expect:
            raise UnexpectedAnswerError(f"{method} {path}: {response.status}, {data[:500].decode(errors='replace')}")
        return json.loads(data) if data else None

    def _connection(self) -> http.client.HTTPConnection:
        if not hasattr(self._local, "connection"):
            self._local.connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
        return self._local.connection


def in_parallel(count: int, connections: int, action: Callable[[], object]) -> None:
    """Do `action` `count` times from `connections` threads."""
    with ThreadPoolExecutor(connections) as pool:
        for future in [pool.submit(action) for _ in range(count)]:
            future.result()
