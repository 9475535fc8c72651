"""Executions driven by the messages that are really in the broker, worked on in this process by the real tasks."""

import base64
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, cast

import orjson
from django.conf import settings
from redis import Redis

from workers import tasks

QUEUES = ("default.high", "default", "code.high", "code")
Message = tuple[str, list[Any]]
"""Task name, and arguments."""


@dataclass
class Broker:
    """The real one, with this process as its only worker.

    delivered   messages by task name, so far
    """

    redis: "Redis[bytes]" = field(default_factory=lambda: Redis.from_url(settings.REDIS_URL))
    delivered: Counter[str] = field(default_factory=Counter)

    def take(self) -> list[Message]:
        """All messages that wait, in the order in which they were sent."""
        return [self._opened(raw) for queue in QUEUES for raw in self._all(queue)]

    def deliver(self, messages: list[Message]) -> None:
        for name, arguments in messages:
            self.delivered[name] += 1
            # Called as a function: a task that Celery runs would have this process's database connections closed.
            cast(Any, getattr(tasks, name.removeprefix("workers.")))(*arguments)

    def deliver_all(self, *, rounds: int = 200) -> None:
        """Until no messages are left."""
        for _ in range(rounds):
            if not (messages := self.take()):
                return
            self.deliver(messages)
        raise AssertionError("messages go round and round")

    def _all(self, queue: str) -> list[bytes]:
        raws: list[bytes] = self.redis.lrange(queue, 0, -1)
        self.redis.delete(queue)
        return raws[::-1]

    def _opened(self, raw: bytes) -> Message:
        message = orjson.loads(raw)
        body = base64.b64decode(message["body"]) if message["properties"].get("body_encoding") == "base64" else message["body"]
        return message["headers"]["task"], orjson.loads(body)[0]
