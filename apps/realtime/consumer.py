"""The WebSocket of one execution: who may, a snapshot, then what changes."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from enum import IntEnum
from typing import Any, ClassVar, TypeVar

import orjson
from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer

from apps.accounts.models import User
from apps.core import fence
from apps.realtime.follow import AsyncInbox, afollow
from apps.realtime.identity import WhoNow, brought_by, by_token
from apps.realtime.limits import RateLimit
from apps.realtime.sequence import Sequence

logger = logging.getLogger(__name__)

AUTHENTICATE_SECONDS = 10.0  # for the first message of who brings no header and no cookie
CHECK_SECONDS = 5.0  # how often the permission is asked again, and the database for what no message told
FIRST_CHECK_SECONDS = 1.0  # for the subscription to stand; without Redis the snapshot goes out then
GAP_SECONDS = 0.25  # for a message that another has overtaken
MAX_MESSAGE_BYTES = 16 * 1024

T = TypeVar("T")


class Close(IntEnum):
    """Why the server closed the socket."""

    INTERNAL = 1011
    BAD_MESSAGE = 4400
    NOT_AUTHENTICATED = 4401
    NOT_FOUND = 4404
    TOO_MANY_MESSAGES = 4429


class RefusedError(Exception):
    """The socket is told why, and closed."""

    def __init__(self, close: Close, code: str, message: str) -> None:
        super().__init__(message)
        self.close, self.code, self.message = close, code, message


class LiveConsumer(AsyncWebsocketConsumer):
    """Base of sockets that show one thing as it changes.

    From the client: {"type": "authenticate", "token": str} and {"type": "snapshot"}, which asks for a fresh one.
    To the client: what `read_snapshot` returns, messages as they were announced, {"type": "heartbeat", "sequence": int},
    and {"type": "error", "code": str, "message": str} before the server closes.

    It listens through `follow` and not through the channel layer, so as to know when a subscription stands, and to outlive a Redis.
    """

    channel_layer_alias: ClassVar[str] = "none"

    def read_snapshot(self, user: User) -> dict[str, Any] | None:
        """The whole state with its "sequence", read at one instant; None when `user` may not see it or it does not exist."""
        raise NotImplementedError

    def read_sequence(self, user: User) -> int | None:
        """The newest number of its history; None as for `read_snapshot`."""
        raise NotImplementedError

    @property
    def followed_id(self) -> str:
        """The execution whose announcements are passed on."""
        raise NotImplementedError

    async def connect(self) -> None:
        self._user: User | None = None
        self._is_authenticated = asyncio.Event()
        self._sequence = Sequence()
        self._inbox: AsyncInbox | None = None
        self._limit = RateLimit(burst=10, per_second=2)
        await self.accept()
        self._task = asyncio.create_task(self._closing_when_refused(self._serve()))

    async def disconnect(self, code: int) -> None:
        self._task.cancel()

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        await self._closing_when_refused(self._obey(_parsed(text_data)))

    async def _closing_when_refused(self, work: Awaitable[None]) -> None:
        try:
            await work
        except RefusedError as refused:
            await self._send({"type": "error", "code": refused.code, "message": refused.message})
            await self._end(refused.close)
        except Exception:
            logger.exception("A live socket broke")
            await self._end(Close.INTERNAL)

    async def _end(self, close: Close) -> None:
        if self._task is not asyncio.current_task():
            self._task.cancel()
        await self.close(close)

    async def _obey(self, message: Mapping[str, Any]) -> None:
        if not self._limit.allows():
            raise RefusedError(Close.TOO_MANY_MESSAGES, "too_many_messages", "At most 2 messages a second, 10 at once.")
        match message.get("type"):
            case "authenticate" if isinstance(token := message.get("token"), str):
                await self._authenticate(by_token(token))
            case "snapshot" if self._user is not None:
                self._sequence = Sequence()
                if self._inbox is not None:
                    self._inbox.deliver(None)
            case _:
                raise RefusedError(
                    Close.BAD_MESSAGE,
                    "bad_message",
                    'Expected {"type": "authenticate", "token": text} or, after it, {"type": "snapshot"}, as JSON.',
                )

    async def _authenticate(self, who: WhoNow) -> None:
        user = await _in_thread(who)
        if user is None:
            raise RefusedError(Close.NOT_AUTHENTICATED, "not_authenticated", "The token or session is unknown, or has ended.")
        if self._user not in (None, user):
            raise RefusedError(Close.NOT_AUTHENTICATED, "not_authenticated", "The token is another person's.")
        self._user, self._who = user, who  # a fresh token in time keeps the socket open
        self._is_authenticated.set()

    async def _serve(self) -> None:
        await self._know_who()
        async with afollow([self.followed_id]) as inbox:
            await self._listen(inbox)

    async def _listen(self, inbox: AsyncInbox) -> None:
        self._inbox = inbox
        self._next_look = time.monotonic() + FIRST_CHECK_SECONDS
        while True:
            notice = await inbox.get(self._next_look - time.monotonic())
            if notice is not None:
                await self._pass_on(notice)
            if notice is None or time.monotonic() >= self._next_look:
                await self._look()

    async def _know_who(self) -> None:
        who = brought_by(self.scope)
        await (self._authenticate(who) if who else self._wait_for_token())

    async def _wait_for_token(self) -> None:
        try:
            await asyncio.wait_for(self._is_authenticated.wait(), AUTHENTICATE_SECONDS)
        except TimeoutError:
            raise RefusedError(Close.NOT_AUTHENTICATED, "not_authenticated", f"No token came within {AUTHENTICATE_SECONDS:g} s.") from None

    async def _pass_on(self, notice: Mapping[str, Any]) -> None:
        had_gap = self._sequence.has_gap
        for message in self._sequence.take(notice):
            await self._send(message)
        if self._sequence.has_gap and not had_gap:
            self._next_look = min(self._next_look, time.monotonic() + GAP_SECONDS)

    async def _look(self) -> None:
        """Ask the database whether the person may still look, and whether a message was lost."""
        self._next_look = time.monotonic() + CHECK_SECONDS
        await self._authenticate(self._who)
        known = self._sequence.newest
        if known is None or await self._read(self.read_sequence) > known:
            await self._send_snapshot()
        else:
            await self._send({"type": "heartbeat", "sequence": known})

    async def _send_snapshot(self) -> None:
        snapshot = await self._read(self.read_snapshot)
        await self._send(snapshot)
        for message in self._sequence.start_at(snapshot["sequence"]):
            await self._send(message)

    async def _read(self, read: Callable[[User], T | None]) -> T:
        assert self._user is not None
        if (found := await _in_thread(_behind_fence, read, self._user)) is None:
            raise RefusedError(Close.NOT_FOUND, "not_found", "There is nothing here, or nothing that you may see.")
        return found

    async def _send(self, message: Mapping[str, Any]) -> None:
        await self.send(text_data=orjson.dumps(message).decode())


def _behind_fence(read: Callable[[User], T], user: User) -> T:
    """What `read` finds where PostgreSQL itself shows only what the person may reach."""
    with fence.around(user.access.as_caller()):
        return read(user)


async def _in_thread(function: Callable[..., T], *arguments: Any) -> T:
    # Any thread will do: with the one thread that is the default, one long snapshot would hold up every socket of the process.
    result: T = await database_sync_to_async(function, thread_sensitive=False)(*arguments)
    return result


def _parsed(text: str | None) -> dict[str, Any]:
    if text is None or len(text) > MAX_MESSAGE_BYTES:
        return {}
    try:
        message = orjson.loads(text)
    except orjson.JSONDecodeError:
        return {}
    return message if isinstance(message, dict) else {}
