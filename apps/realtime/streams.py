"""Server-Sent Events: one history, read from where the client left off and then as it grows.

Redis only says that there is something new; what is sent is read from the history, in its order, from after what was sent last. So
nothing is missed and nothing comes twice, whatever becomes of messages and connections.

Source: HTML Living Standard §9.2, https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

import logging
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson
from channels.db import database_sync_to_async
from django.conf import settings
from django.http import StreamingHttpResponse

from apps.core.errors import TooManyRequestsError
from apps.engine.errors import StructForgeError
from apps.realtime.follow import AsyncInbox, Notice, afollow, is_connected

log = logging.getLogger(__name__)

CHECK_SECONDS = 15.0  # how often it is asked whether the person may still look, and for what no message told; and a heartbeat
AWAY_SECONDS = 1.0  # while Redis is away
RECONNECT_MILLISECONDS = 1000
HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
_HEARTBEAT = b": still here\n\n"


class TooManyStreamsError(TooManyRequestsError):
    """The person has as many streams open in this process as they may."""

    code = "too_many_streams"


@dataclass(frozen=True, slots=True)
class Item:
    """One entry of the history.

    number   its place, counted without gaps
    """

    number: int
    name: str
    data: Mapping[str, Any]
    is_last: bool

    def as_bytes(self) -> bytes:
        return b"id: %d\nevent: %s\ndata: %s\n\n" % (self.number, self.name.encode(), orjson.dumps(self.data, option=orjson.OPT_UTC_Z))


# read(after, is_checking): what came after a number, oldest first and not all at once; nothing where there is no more.
# is_checking: ask anew whether the person may look. Raises StructForgeError where not.
Read = Callable[[int, bool], list[Item]]


def stream_response(*, followed_id: UUID, person_id: UUID, after: int, read: Read) -> StreamingHttpResponse:
    """An answer of what follows the number `after`, which ends with the history. Raises TooManyStreamsError."""
    return StreamingHttpResponse(Stream(followed_id, _Place(person_id), after, read), content_type="text/event-stream", headers=HEADERS)


class Stream:
    """The content of an answer. Between reads it holds neither a thread nor a connection of the database."""

    def __init__(self, followed_id: UUID, place: "_Place", after: int, read: Read) -> None:
        self._followed_id, self._place, self._after, self._read = followed_id, place, after, read
        self._next_check = 0.0

    def close(self) -> None:
        """Called with the end of the answer, however it ends, and also when it never began."""
        self._place.leave()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield b"retry: %d\n\n" % RECONNECT_MILLISECONDS
        try:
            async with afollow([self._followed_id]) as inbox:
                self._plan_check()
                async for part in self._parts(inbox):
                    yield part
        except StructForgeError as refused:
            yield _event("stream.closed", {"code": refused.code, "message": refused.message})
        except Exception:
            log.exception("An event stream broke")
            yield _event("stream.closed", {"code": "server_error", "message": "An error of the server. It is in the log."})

    async def _parts(self, inbox: AsyncInbox) -> AsyncIterator[bytes]:
        is_checking = False
        while True:
            while items := await _in_thread(self._read, self._after, is_checking):
                self._after, is_checking = items[-1].number, False
                yield b"".join(item.as_bytes() for item in items)
                if items[-1].is_last:
                    return
            if is_checking := not await self._is_news(inbox):
                yield _HEARTBEAT

    async def _is_news(self, inbox: AsyncInbox) -> bool:
        """Wait for word of what was not read yet, or of a new connection to Redis; False when the time of a check comes first."""
        while (left := self._next_check - time.monotonic()) > 0:
            notice = await inbox.get(left)
            if self._is_ahead(notice) or (notice is None and time.monotonic() < self._next_check):
                return True
        self._plan_check()
        return False

    def _plan_check(self) -> None:
        self._next_check = time.monotonic() + (CHECK_SECONDS if is_connected() else AWAY_SECONDS)

    def _is_ahead(self, notice: Notice) -> bool:
        return notice is not None and (notice.get("sequence") or 0) > self._after


class _Place:
    """One of the streams that a person may have open in this process."""

    _taken: Counter[UUID] = Counter()
    _lock = threading.Lock()

    def __init__(self, person_id: UUID) -> None:
        self._person_id, self._is_held = person_id, True
        with self._lock:
            if self._taken[person_id] >= settings.MAX_STREAMS_EACH:
                message = f"Expected at most {settings.MAX_STREAMS_EACH} open streams: close one of them, or ask for the history by GET."
                raise TooManyStreamsError(message, retry_after_seconds=5)
            self._taken[person_id] += 1

    def leave(self) -> None:
        with self._lock:
            if self._is_held:
                self._is_held = False
                self._taken[self._person_id] -= 1
                if not self._taken[self._person_id]:
                    del self._taken[self._person_id]


def open_streams(person_id: UUID) -> int:
    """How many streams a person has open in this process."""
    return _Place._taken.get(person_id, 0)


def _event(name: str, data: Mapping[str, Any]) -> bytes:
    """One that is no part of the history: it has no number, so the client resumes from the one before."""
    return b"event: %s\ndata: %s\n\n" % (name.encode(), orjson.dumps(data))


async def _in_thread(read: Read, after: int, is_checking: bool) -> list[Item]:
    items: list[Item] = await database_sync_to_async(read, thread_sensitive=False)(after, is_checking)
    return items
