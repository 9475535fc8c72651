"""Wait until an execution has ended, without asking the database again and again."""

import threading
import time
from uuid import UUID

from asgiref.sync import sync_to_async
from django.conf import settings
from django.db import connection

from apps.engine.statuses import SETTLED_EXECUTION
from apps.executions.models import Execution
from apps.realtime.follow import Notice, afollow, follow

CHECK_SECONDS = 2.0  # a message may be lost: that often the row itself is read
# Each holds a thread of this process. Whoever finds no place is answered at once, and asks for the result later.
PLACES = threading.BoundedSemaphore(settings.MAX_WAITS)


def wait_until_settled(execution_id: UUID | str, seconds: float) -> bool:
    """Block until the execution has ended; False when `seconds` pass first. It is subscribed before it is read, so no end is missed.

    The database connection is given back while it waits, unless a transaction is open.
    """
    deadline = time.monotonic() + seconds
    with follow([execution_id]) as inbox:
        while True:
            notice = inbox.get(min(CHECK_SECONDS, deadline - time.monotonic()))
            if _says_settled(notice) or (notice is None and _is_settled(execution_id)):
                return True
            if time.monotonic() >= deadline:
                return False


async def await_until_settled(execution_id: UUID | str, seconds: float) -> bool:
    """As `wait_until_settled`, for coroutines."""
    deadline = time.monotonic() + seconds
    async with afollow([execution_id]) as inbox:
        while True:
            notice = await inbox.get(min(CHECK_SECONDS, deadline - time.monotonic()))
            if _says_settled(notice) or (notice is None and await sync_to_async(_is_settled)(execution_id)):
                return True
            if time.monotonic() >= deadline:
                return False


def _says_settled(notice: Notice) -> bool:
    return notice is not None and notice.get("status") in SETTLED_EXECUTION


def _is_settled(execution_id: UUID | str) -> bool:
    is_settled = Execution.objects.filter(pk=execution_id, status__in=SETTLED_EXECUTION).exists()
    if not connection.in_atomic_block:
        connection.close()
    return is_settled
