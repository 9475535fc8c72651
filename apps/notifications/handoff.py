"""Messages to the workers about deliveries. As with node runs, one that is lost is sent again."""

from collections.abc import Sequence
from uuid import UUID

from celery import current_app

from apps.executions.handoff import publishing, queue_name

DELIVER = "workers.deliver"
QUEUE = "default"


def send(delivery_ids: Sequence[UUID]) -> None:
    """Point workers at deliveries."""
    with publishing() as producer:
        for delivery_id in delivery_ids:
            current_app.send_task(DELIVER, args=[str(delivery_id)], queue=queue_name(QUEUE, "normal"), producer=producer)
