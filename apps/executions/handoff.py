"""Messages to the workers, sent by task name. A message only says where to look: losing one, or seeing it twice, changes nothing."""

import logging
from collections.abc import Iterable
from uuid import UUID

from celery import current_app
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from apps.executions.protocol import Ready

log = logging.getLogger(__name__)

RUN_NODE = "workers.run_node"


def queue_name(queue: str, priority: str) -> str:
    """The Celery queue of a fleet for a priority: `code` and `code.high`."""
    return f"{queue}.high" if priority == "high" else queue


def send(ready: Iterable[Ready]) -> None:
    """Point workers at queued node runs. A broker that does not answer is no error: the sweepers send again what nobody claims."""
    for one in ready:
        send_one(one.execution_id, [one.key], one.path, one.version_id, queue_name(one.queue, one.priority))


def send_one(execution_id: UUID, keys: list[str], path: str, version_id: UUID, queue: str) -> None:
    try:
        current_app.send_task(RUN_NODE, args=[str(execution_id), keys, path, str(version_id)], queue=queue)
    except (OperationalError, RedisError, ConnectionError, TimeoutError) as error:
        log.warning("The broker took no message for %s of execution %s: %s", keys, execution_id, error)
