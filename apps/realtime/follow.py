"""Follow executions from ordinary threads and coroutines, over one pub/sub connection per process.

For the sockets, for a view that waits until an execution has ended, and for a command that shows one.
"""

import asyncio
import atexit
import logging
import os
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, suppress
from queue import Empty, SimpleQueue
from typing import Any

from channels.layers import get_channel_layer
from django.conf import settings
from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from apps.realtime.groups import execution_group, redis_channel

logger = logging.getLogger(__name__)

RECONNECT_SECONDS = 0.5
CLOSE_SECONDS = 1.0
# A lost connection is made anew by the loop below, since whoever follows has to hear of it.
CONNECTION: dict[str, Any] = {"socket_connect_timeout": 2, "socket_keepalive": True, "retry": Retry(NoBackoff(), 0)}
MAX_UNREAD = 1_000  # notices of one follower

# A message as `announce` sent it, or None: subscribed from here on, and what happened before is to be read from the database.
Notice = Mapping[str, Any] | None
Deliver = Callable[[Notice], None]
Change = Callable[[list[str], Deliver], Coroutine[None, None, None]]


class Inbox:
    """What arrives for one follower in a thread."""

    def __init__(self) -> None:
        self._queue: SimpleQueue[Notice] = SimpleQueue()
        self.deliver: Deliver = self._queue.put

    def get(self, seconds: float) -> Notice:
        """The next notice; None also when `seconds` pass without one, since that is reason enough to look at the database."""
        try:
            return self._queue.get(timeout=max(seconds, 0))
        except Empty:
            return None


class AsyncInbox:
    """What arrives for one follower in an event loop."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[Notice] = asyncio.Queue()
        self._loop = asyncio.get_running_loop()

    def deliver(self, notice: Notice) -> None:
        # A loop that closed meanwhile has no follower left who could miss the notice.
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._put, notice)

    def _put(self, notice: Notice) -> None:
        # Who is that far behind, such as a browser on a slow line, finds the gap in the numbers and looks at the database instead.
        if self._queue.qsize() < MAX_UNREAD:
            self._queue.put_nowait(notice)

    async def get(self, seconds: float) -> Notice:
        """As `Inbox.get`."""
        try:
            return await asyncio.wait_for(self._queue.get(), max(seconds, 0))
        except TimeoutError:
            return None


@contextmanager
def follow(execution_ids: Iterable[object]) -> Iterator[Inbox]:
    """Receive what is announced of these executions.

    None arrives once the subscription stands, and again after each reconnection. With Redis away nothing arrives until it is back.
    """
    inbox, channels = Inbox(), [redis_channel(group) for group in _groups(execution_ids)]
    listener = _get_listener()
    listener.add(channels, inbox.deliver)
    try:
        yield inbox
    finally:
        listener.remove(channels, inbox.deliver)


def afollow(execution_ids: Iterable[object]) -> AbstractAsyncContextManager[AsyncInbox]:
    """As `follow`, for coroutines."""
    return afollow_groups(_groups(execution_ids))


@asynccontextmanager
async def afollow_groups(groups: Iterable[str]) -> AsyncIterator[AsyncInbox]:
    """As `afollow`, of groups by their names."""
    inbox, channels = AsyncInbox(), [redis_channel(group) for group in groups]
    listener = _get_listener()
    listener.add(channels, inbox.deliver)
    try:
        yield inbox
    finally:
        listener.remove(channels, inbox.deliver)


def is_connected() -> bool:
    """Whether this process hears of changes at the moment."""
    return _get_listener().is_connected


def _groups(execution_ids: Iterable[object]) -> list[str]:
    return [execution_group(str(execution_id)) for execution_id in execution_ids]


class _Listener:
    """One thread, one event loop, one connection. Everything but `add` and `remove` runs in the loop."""

    ALWAYS = f"{__name__}.open"  # a connection without any subscription could not be read

    def __init__(self) -> None:
        self._followers: dict[str, list[Deliver]] = {}
        self._pubsub: PubSub | None = None
        self._is_away = False
        self._loop = asyncio.new_event_loop()
        self._order = asyncio.Lock()
        self._task = self._loop.create_task(self._listen())
        self._changes: set[asyncio.Task[None]] = set()  # the loop alone would forget a task that nobody holds
        self._thread = threading.Thread(target=self._run, name="follow", daemon=True)
        self._thread.start()

    @property
    def is_connected(self) -> bool:
        return self._pubsub is not None

    def add(self, channels: list[str], deliver: Deliver) -> None:
        self._in_loop(self._add, channels, deliver)

    def remove(self, channels: list[str], deliver: Deliver) -> None:
        self._in_loop(self._remove, channels, deliver)

    def close(self) -> None:
        """Leave the server and end the thread."""
        self._loop.call_soon_threadsafe(self._task.cancel)
        self._thread.join(CLOSE_SECONDS)

    def _run(self) -> None:
        with suppress(asyncio.CancelledError):
            self._loop.run_until_complete(self._task)
        self._loop.close()

    def _in_loop(self, change: Change, channels: list[str], deliver: Deliver) -> None:
        def begin() -> None:
            task = self._loop.create_task(change(channels, deliver))
            self._changes.add(task)
            task.add_done_callback(self._changes.discard)

        with suppress(RuntimeError):  # closed while somebody followed: the process ends
            self._loop.call_soon_threadsafe(begin)

    async def _add(self, channels: list[str], deliver: Deliver) -> None:
        for channel in channels:
            self._followers.setdefault(channel, []).append(deliver)
        async with self._order:
            # Also where another follower has the channel already: its confirmation is what tells this one that it is subscribed.
            await self._command("subscribe", channels)

    async def _remove(self, channels: list[str], deliver: Deliver) -> None:
        for channel in channels:
            self._followers[channel].remove(deliver)
        unused = [channel for channel in channels if not self._followers[channel]]
        for channel in unused:
            del self._followers[channel]
        async with self._order:
            await self._command("unsubscribe", [channel for channel in unused if channel not in self._followers])

    async def _command(self, name: str, channels: list[str]) -> None:
        if self._pubsub is None or not channels:
            return  # `_listen` subscribes to all that is followed once it is connected
        try:
            await getattr(self._pubsub, name)(*channels)
        except (RedisError, OSError) as error:
            logger.debug("Live connection lost: %s", error)
            await self._pubsub.aclose()  # so that `_listen` notices, and starts anew

    async def _listen(self) -> None:
        while True:
            try:
                await self._listen_once()
            except (RedisError, OSError) as error:
                if not self._is_away:
                    logger.warning("No live messages until Redis answers again: %s", error)
                self._is_away = True
            except Exception:
                logger.exception("A live message could not be read")
            await asyncio.sleep(RECONNECT_SECONDS)

    async def _listen_once(self) -> None:
        # No time-out for reads: nothing may happen for hours.
        async with Redis.from_url(settings.LIVE_REDIS_URL, socket_timeout=None, **CONNECTION) as redis:
            pubsub = redis.pubsub()
            try:
                async with self._order:
                    await pubsub.subscribe(self.ALWAYS, *self._followers)
                    self._pubsub, self._is_away = pubsub, False
                async for message in pubsub.listen():
                    self._dispatch(message)
            finally:
                self._pubsub = None
                await pubsub.aclose()

    def _dispatch(self, message: Mapping[str, Any]) -> None:
        followers = self._followers.get(message["channel"].decode(), ())
        if message["type"] == "subscribe":
            notice = None
        elif message["type"] == "message":
            notice = get_channel_layer().deserialize(message["data"])
        else:
            return
        for deliver in tuple(followers):
            deliver(notice)


def _get_listener() -> _Listener:
    global _listener  # noqa: PLW0603  # the one listener of this process
    with _listener_lock:
        if _listener is None:
            _listener = _Listener()
        return _listener


def close() -> None:
    """Stop listening in this process; the next `follow` begins anew."""
    global _listener  # the one listener of this process
    with _listener_lock:
        listener, _listener = _listener, None
    if listener is not None:
        listener.close()


def _forget_listener() -> None:
    """A forked child has the object but not its thread."""
    global _listener, _listener_lock
    _listener, _listener_lock = None, threading.Lock()


_listener: _Listener | None = None
_listener_lock = threading.Lock()
os.register_at_fork(after_in_child=_forget_listener)
atexit.register(close)
