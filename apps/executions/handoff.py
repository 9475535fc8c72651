"""Messages to the workers, sent by task name. A message only says where to look: losing one, or seeing it twice, changes nothing."""

import logging
import os
import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from celery import current_app
from kombu import Producer
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from apps.executions.protocol import Ready

log = logging.getLogger(__name__)

RUN_NODE = "workers.run_node"
RUN_EXECUTIONS = "workers.run_executions"
RUN_PLACES = "workers.run_places"
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


class _Kept(threading.local):
    """The producer of each thread: taking one from Celery's pool costs as much as the message."""

    producer: Producer | None = None


@contextmanager
def publishing() -> Iterator[Producer]:
    """A producer of the broker. A broker that does not answer is no error: the sweepers send again what nobody claims."""
    try:
        if _kept.producer is None:
            _kept.producer = current_app.amqp.Producer(current_app.connection_for_write(), auto_declare=False)
        yield _kept.producer
    except (OperationalError, RedisError, ConnectionError, TimeoutError) as error:
        _kept.producer = None
        log.warning("The broker did not take a message: %s", error)


def send(ready: Iterable[Ready], *, among: int = 0) -> None:
    """Point workers at queued node runs.

    among   of how many that are sent at about the same time these are a part; 0: they are all
    """
    messages = list(_messages(list(ready), among))
    if not messages:
        return
    with publishing() as producer:
        for task, arguments, queue in messages:
            current_app.send_task(task, args=arguments, queue=queue, producer=producer)


def _messages(ready: Sequence[Ready], among: int) -> Iterator[Message]:
    shared: dict[tuple[UUID, str, str, str], list[str]] = defaultdict(list)
    for one in ready:
        queue = queue_name(one.queue, one.priority)
        if one.is_brief and len(ready) > 1:
            shared[one.version_id, one.key, one.path, queue].append(str(one.execution_id))
        else:
            yield RUN_NODE, [str(one.execution_id), [one.key], one.path, str(one.version_id)], queue
    for (version_id, key, path, queue), executions in shared.items():
        size = share(max(len(executions), among))
        for start in range(0, len(executions), size):
            yield RUN_EXECUTIONS, [executions[start : start + size], key, path, str(version_id)], queue


def _forget_parent_producer() -> None:
    """After a fork: the parent's socket is not ours to use or to close."""
    global _kept  # noqa: PLW0603  # the producers of this process
    _kept = _Kept()


_kept = _Kept()
os.register_at_fork(after_in_child=_forget_parent_producer)
