"""The WebSocket of one's own inbox."""

import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from apps.accounts.models import User
from apps.realtime import consumer
from apps.realtime.follow import afollow_groups
from apps.realtime.groups import inbox_group
from apps.tasks.api.serializers import TaskOutput
from apps.tasks.live import Look, look
from apps.tasks.queries import count_tasks, list_tasks

SHOWN = 50  # of the newest tasks
PAUSE_SECONDS = 0.2  # from a hint to the look: what changes a thousand tasks at once is read a few times


class _OtherKeysError(Exception):
    """The person has joined a team, or stands in for somebody: other hints concern them from now on."""


class InboxConsumer(consumer.LiveConsumer):
    """/ws/tasks: what awaits the person, as `GET /tasks?mine=true` and `GET /tasks/counts` show it.

    {"type": "inbox.snapshot", "counts", "tasks": [task]} has the newest 50, the newest first; after it come
    {"type": "inbox.changed", "counts", "tasks": [new or changed], "gone": [ids of those that are not among the newest 50 any more]},
    and {"type": "heartbeat"} while nothing changes.
    """

    _seen: Look | None
    _shown: dict[int, Any]
    _keys: frozenset[str]

    async def _serve(self) -> None:
        await self._know_who()
        self._forget()
        while True:
            self._keys = (await self._read(look)).keys
            with suppress(_OtherKeysError):
                async with afollow_groups(map(inbox_group, self._keys)) as inbox:
                    await self._listen(inbox)

    async def _obey(self, message: Mapping[str, Any]) -> None:
        if message.get("type") == "snapshot" and self._user is not None:
            self._forget()
        await super()._obey(message)

    async def _pass_on(self, notice: Mapping[str, Any]) -> None:
        self._next_look = min(self._next_look, time.monotonic() + PAUSE_SECONDS)

    async def _look(self) -> None:
        self._next_look = time.monotonic() + consumer.CHECK_SECONDS
        await self._authenticate(self._who)
        seen = await self._read(look)
        if self._seen is not None and seen.stamp == self._seen.stamp:
            await self._send({"type": "heartbeat"})
        else:
            await self._tell(await self._read(read_inbox))
        self._seen = seen
        if seen.keys != self._keys:
            raise _OtherKeysError

    async def _tell(self, inbox: Mapping[str, Any]) -> None:
        known, tasks = self._shown, {task["id"]: task for task in inbox["tasks"]}
        self._shown = tasks
        if self._seen is None:
            await self._send({"type": "inbox.snapshot", **inbox})
            return
        changed = [task for task in tasks.values() if known.get(task["id"]) != task]
        gone = [task_id for task_id in known if task_id not in tasks]
        await self._send({"type": "inbox.changed", "counts": inbox["counts"], "tasks": changed, "gone": gone})

    def _forget(self) -> None:
        self._seen, self._shown = None, {}


def read_inbox(user: User) -> dict[str, Any]:
    """The newest tasks that await somebody, and how many there are."""
    tasks = list_tasks(user, mine=True).order_by("-id")[:SHOWN]
    return {"counts": dict(count_tasks(user)), "tasks": [dict(task) for task in TaskOutput(tasks, many=True).data]}
