"""The one way out: every HTTP request of a node goes through this transport, which calls checked addresses alone.

A name is resolved once, every address is checked, and the connection goes to a checked one: nothing can change in between.
"""

import os
import queue
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import httpcore2
import httpx2
from django.conf import settings

from apps.nodes.addresses import refusal_of, rules_of

MAX_CONNECTIONS = 100
# Shorter than servers keep an idle connection, so that a request does not meet one that is just being closed.
KEEPALIVE_SECONDS = 3.0


class BlockedAddressError(httpx2.ConnectError):
    """The address is not public, and not allowed by EGRESS_ALLOWED."""


class Call:
    """One request on this thread, from its beginning to its end: a deadline for all of it, and a way to cut it short from outside.

    saw_end   the other side closed the connection
    """

    def __init__(self, seconds: float) -> None:
        self._deadline = time.monotonic() + seconds
        self._stream: _Stream | None = None
        self.is_cancelled = False
        self.saw_end = False

    @property
    def seconds_left(self) -> float:
        return self._deadline - time.monotonic()

    def cancel(self) -> None:
        """Close the connection under the request, from any thread."""
        self.is_cancelled = True
        if (stream := self._stream) is not None:
            stream.cut(self)

    def limit(self, timeout: float | None, stream: "_Stream | None" = None) -> float:
        """Seconds that the next operation may take. Raises TimeoutException when there are none left."""
        self._stream = stream
        if self.is_cancelled:
            raise httpcore2.ReadError("cancelled")
        left = self.seconds_left
        if left <= 0:
            raise httpcore2.ReadTimeout("deadline")
        return left if timeout is None else min(left, timeout)


_here = threading.local()


@contextmanager
def calling(call: Call) -> Iterator[None]:
    """While inside, requests of this thread belong to the call."""
    _here.call = call
    try:
        yield
    finally:
        _here.call = None


def _limit(timeout: float | None, stream: "_Stream | None" = None) -> float | None:
    call: Call | None = getattr(_here, "call", None)
    return timeout if call is None else call.limit(timeout, stream)


class _Stream(httpcore2.NetworkStream):
    """A connection that knows whose request it carries just now: a pooled one serves many in turn."""

    def __init__(self, stream: httpcore2.NetworkStream) -> None:
        self._stream = stream
        self._owner: Call | None = None
        self._lock = threading.Lock()

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        data = self._stream.read(max_bytes, self._owned(timeout))
        if not data and self._owner is not None:
            self._owner.saw_end = True
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, self._owned(timeout))

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.NetworkStream:
        return _Stream(self._stream.start_tls(ssl_context, server_hostname, self._owned(timeout)))

    def close(self) -> None:
        self._stream.close()

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)

    def cut(self, call: Call) -> None:
        with self._lock:
            if self._owner is call:
                _shut_down(self.get_extra_info("socket"))

    def _owned(self, timeout: float | None) -> float | None:
        with self._lock:
            self._owner = getattr(_here, "call", None)
        return _limit(timeout, self)


def _shut_down(connection: socket.socket) -> None:
    try:
        # The method of an SSLSocket would pull the TLS state from under the thread that reads.
        socket.socket.shutdown(connection, socket.SHUT_RDWR)
    except OSError:
        return  # closed already


def resolve(host: str, port: int, timeout: float | None) -> list[str]:
    """Addresses of a name, in the order of the resolver. Raises ConnectError or ConnectTimeout.

    The system's resolver knows no time limit, so it works in a thread that is left behind when the time is over.
    """
    answers: queue.SimpleQueue[list[str] | Exception] = queue.SimpleQueue()

    def ask() -> None:
        try:
            answers.put([str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)])
        except (OSError, ValueError, OverflowError) as error:
            answers.put(error)

    threading.Thread(target=ask, name="resolve", daemon=True).start()
    try:
        answer = answers.get(timeout=timeout)
    except queue.Empty:
        raise httpcore2.ConnectTimeout(f"{host} was not resolved in time.") from None
    if isinstance(answer, Exception):
        raise httpcore2.ConnectError(f"{host} does not resolve: {answer}.") from answer
    return answer


def allowed_addresses(
    host: str, port: int, timeout: float | None, resolver: Callable[[str, int, float | None], list[str]] = resolve
) -> list[str]:
    """Addresses of a name, each of which may be called; connect to one of them, and not to the name.

    Raises BlockedAddressError when one of them is not allowed, ConnectError or ConnectTimeout.
    """
    addresses = list(dict.fromkeys(resolver(host, port, timeout)))
    if refusal := refusal_of(host, port, addresses, rules_of(tuple(settings.EGRESS_ALLOWED))):
        raise BlockedAddressError(refusal)
    return addresses


class Guard(httpcore2.NetworkBackend):
    """Opens connections to allowed addresses alone."""

    def __init__(self, resolver: Callable[[str, int, float | None], list[str]] = resolve) -> None:
        self._resolve = resolver
        self._backend = httpcore2.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.NetworkStream:
        addresses = allowed_addresses(host, port, _limit(timeout), self._resolve)
        for address in addresses[:-1]:
            try:
                return _Stream(self._backend.connect_tcp(address, port, _limit(timeout), local_address, socket_options))
            except httpcore2.ConnectError:
                continue  # the next address may answer
        return _Stream(self._backend.connect_tcp(addresses[-1], port, _limit(timeout), local_address, socket_options))


class GuardedTransport(httpx2.BaseTransport):
    """HTTP/1.1 over guarded connections. No proxies, and no cookies, redirects or credentials of its own.

    Not HTTP/2: requests that share a connection could not be cut short one by one.
    """

    def __init__(self, guard: Guard | None = None) -> None:
        self._pool = httpcore2.ConnectionPool(
            ssl_context=httpx2.create_ssl_context(),
            max_connections=MAX_CONNECTIONS,
            keepalive_expiry=KEEPALIVE_SECONDS,
            network_backend=guard or Guard(),
        )

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        url = request.url
        with _translated():
            response = self._pool.handle_request(
                httpcore2.Request(
                    method=request.method,
                    url=httpcore2.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
                    headers=request.headers.raw,
                    content=request.stream,
                    extensions=request.extensions,
                )
            )
        return httpx2.Response(
            status_code=response.status,
            headers=response.headers,
            stream=_Body(response),
            extensions=response.extensions,
            request=request,
        )

    def close(self) -> None:
        self._pool.close()


class _Body(httpx2.SyncByteStream):
    def __init__(self, response: httpcore2.Response) -> None:
        self._response = response

    def __iter__(self) -> Iterator[bytes]:
        with _translated():
            yield from self._response.iter_stream()

    def close(self) -> None:
        self._response.close()


@contextmanager
def _translated() -> Iterator[None]:
    """Raise the errors of httpcore2 as those of httpx2, which are named alike."""
    try:
        yield
    except Exception as error:
        same: type[httpx2.HTTPError] | None = getattr(httpx2, type(error).__name__, None)
        if same is None or isinstance(error, httpx2.HTTPError):
            raise
        raise same(str(error)) from error


@cache
def shared_transport() -> GuardedTransport:
    """The transport of this process, with its pool of open connections."""
    return GuardedTransport()


# A forked process must not speak over the connections of its parent.
os.register_at_fork(after_in_child=shared_transport.cache_clear)
