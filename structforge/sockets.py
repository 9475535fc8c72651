"""The addresses of WebSockets."""

from channels.routing import URLRouter
from django.urls import path

from apps.executions.consumers import ExecutionConsumer
from apps.realtime.identity import OriginGuard
from apps.tasks.consumers import InboxConsumer

application = OriginGuard(
    URLRouter(
        [
            path("ws/executions/<uuid:execution_id>", ExecutionConsumer.as_asgi()),
            path("ws/tasks", InboxConsumer.as_asgi()),
        ]
    )
)
