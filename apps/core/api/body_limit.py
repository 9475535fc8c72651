"""Refuse a body that is too large before anything reads it."""

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

from django.conf import settings

from apps.core.api.errors import error_body
from apps.core.api.renderers import dumps

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Mapping[str, Any], Receive, Send], Awaitable[None]]


class BodyLimit:
    """ASGI middleware: 413 for a body over settings.MAX_BODY_BYTES.

    A body with a Content-Length is refused by that number alone; a chunked one as soon as it has grown too large, so that no more than
    the limit is ever kept.
    """

    def __init__(self, application: Application) -> None:
        self._application = application

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._application(scope, receive, send)
        elif _announced_length(scope) > settings.MAX_BODY_BYTES:
            await _refuse(send)
        else:
            await _Counted(receive, send).run(self._application, scope)


class _Counted:
    """One request whose body is counted while it arrives."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive, self._send = receive, send
        self._size = 0
        self._is_refused = False

    async def run(self, application: Application, scope: Mapping[str, Any]) -> None:
        await application(scope, self._counting_receive, self._guarded_send)
        if self._is_refused:
            await _refuse(self._send)

    async def _counting_receive(self) -> Message:
        message = await self._receive()
        self._size += len(message.get("body", b""))
        if self._size > settings.MAX_BODY_BYTES:
            self._is_refused = True
            # To the application the client is gone: it drops what it has read and answers nothing.
            return {"type": "http.disconnect"}
        return message

    async def _guarded_send(self, message: Message) -> None:
        if not self._is_refused:
            await self._send(message)


def _announced_length(scope: Mapping[str, Any]) -> int:
    """The largest Content-Length header; one that is no number announces nothing, and the body is counted then."""
    lengths = [int(value) for name, value in scope["headers"] if name == b"content-length" and value.isdigit() and len(value) < 20]
    return max(lengths, default=0)


async def _refuse(send: Send) -> None:
    limit = settings.MAX_BODY_BYTES
    body = dumps(error_body("body_too_large", f"Expected a body of at most {limit} bytes, found more.", {"max_bytes": limit}))
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode()), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": 413, "headers": headers})
    await send({"type": "http.response.body", "body": body})
