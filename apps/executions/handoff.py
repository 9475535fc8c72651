"""Messages to the workers, sent by task name. A message only says where to look: losing one, or seeing it twice, changes nothing."""

import logging
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any
from uuid import UUID

from celery import current_app
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from apps.executions.protocol import Ready

log = logging.getLogger(__name__)

RUN_NODE = "workers.run_node"
RUN_EXECUTIONS = "workers.run_executions"
# Brief nodes share messages, though never so many that a fleet of a few dozen processes would wait for one of them.
MAX_SHARING = 16
MESSAGES_BEFORE_SHARING = 8

Message = tuple[str, list[Any], str]  # task name, arguments, Celery queue


def queue_name(queue: str, priority: str) -> str:
    """The Celery queue of a fleet for a priority: `code` and `code.high`."""
    return f"{queue}.high" if priority == "high" else queue


def share(count: int) -> int:
    """How many of `count` brief node runs go into one message: 1 up to 15, then more, 16 from 128 on."""
    return max(1, min(MAX_SHARING, count // MESSAGES_BEFORE_SHARING))


def send(ready: Iterable[Ready]) -> None:
    """Point workers at queued node runs. A broker that does not answer is no error: the sweepers send again what nobody claims."""
    messages = list(_messages(list(ready)))
    if not messages:
        return
    try:
        with current_app.producer_pool.acquire(block=True) as producer:
            for task, arguments, queue in messages:
                current_app.send_task(task, args=arguments, queue=queue, producer=producer)
    except (OperationalError, RedisError, ConnectionError, TimeoutError) as error:
        log.warning("The broker did not take %d messages: %s", len(messages), error)


def _messages(ready: Sequence[Ready]) -> Iterator[Message]:
    shared: dict[tuple[UUID, str, str, str], list[str]] = defaultdict(list)
    for one in ready:
        queue = queue_name(one.queue, one.priority)
        if one.is_brief and len(ready) > 1:
            shared[one.version_id, one.key, one.path, queue].append(str(one.execution_id))
        else:
            yield RUN_NODE, [str(one.execution_id), [one.key], one.path, str(one.version_id)], queue
    for (version_id, key, path, queue), executions in shared.items():
        size = share(len(executions))
        for start in range(0, len(executions), size):
            yield RUN_EXECUTIONS, [executions[start : start + size], key, path, str(version_id)], queue
