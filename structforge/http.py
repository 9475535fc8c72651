"""HTTP under ASGI: each request is answered in one go by one thread; an endless answer, such as a stream of events, then goes on without.

Middleware and views are all synchronous. Django's own handler goes between the event loop and short-lived threads several times a request,
and opens its database connection anew in each; that costs more than most views do.
"""

import asyncio
import contextvars
import tempfile
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from django.conf import settings
from django.core import signals
from django.core.exceptions import RequestAborted
from django.core.handlers.asgi import ASGIHandler, get_script_prefix
from django.http.response import HttpResponseBase
from django.urls import set_script_prefix

from apps.core.connections import release_connection

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_END = object()


class ThreadHandler(ASGIHandler):
    """Django's handler, with a pool of threads that live as long as the process."""

    def __init__(self) -> None:
        super().__init__()
        self._threads = ThreadPoolExecutor(settings.HTTP_THREADS, thread_name_prefix="http")

    def load_middleware(self, is_async: bool = False) -> None:
        super().load_middleware(is_async=False)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        try:
            body = await self.read_body(receive)
        except RequestAborted:
            return
        with body:
            response = await self._in_thread(self._respond, scope, body)
            try:
                await self._send_while_heard(response, receive, send)
            finally:
                if response.streaming:
                    await self._in_thread(response.close)

    def _respond(self, scope: Message, body: "tempfile.SpooledTemporaryFile[bytes]") -> HttpResponseBase:
        set_script_prefix(get_script_prefix(scope))
        signals.request_started.send(sender=type(self), scope=scope)
        request, error = self.create_request(scope, body)
        response: HttpResponseBase = error if request is None else self.get_response(request)
        response._handler_class = type(self)  # type: ignore[attr-defined]  # names the sender of request_finished
        if not response.streaming:
            # Before it is sent, so that the database connection is free again however slow the client reads.
            response.close()
        elif response.is_async:  # type: ignore[attr-defined]
            # It may go on for hours, and takes a thread and a connection for as long as a read lasts.
            release_connection()
        return response

    async def _send_while_heard(self, response: HttpResponseBase, receive: Receive, send: Send) -> None:
        """Send it; an endless answer until its client leaves."""
        if not (response.streaming and response.is_async):  # type: ignore[attr-defined]
            await self._send(response, send)
            return
        sending = asyncio.create_task(self._send(response, send))
        leaving = asyncio.create_task(_until_left(receive))
        try:
            await asyncio.wait((sending, leaving), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (sending, leaving):
                task.cancel()
            results = await asyncio.gather(sending, leaving, return_exceptions=True)
        for result in results:
            if isinstance(result, Exception):
                raise result

    async def _send(self, response: HttpResponseBase, send: Send) -> None:
        if not response.streaming or response.is_async:  # type: ignore[attr-defined]
            await self.send_response(response, send)
            return
        parts: Iterator[bytes] = iter(response)  # type: ignore[call-overload]
        headers = [(name.encode("ascii"), value.encode("latin1")) for name, value in response.items()]
        await send({"type": "http.response.start", "status": response.status_code, "headers": headers})
        while (part := await self._in_thread(next, parts, _END)) is not _END:
            await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    async def _in_thread(self, function: Callable[..., Any], *arguments: Any) -> Any:
        context = contextvars.copy_context()
        return await asyncio.get_running_loop().run_in_executor(self._threads, lambda: context.run(function, *arguments))


async def _until_left(receive: Receive) -> None:
    """Returns once the client has gone away."""
    while (await receive())["type"] != "http.disconnect":
        pass
