"""The web process: HTTP to Django, WebSockets to the consumers."""

import os

from channels.routing import ProtocolTypeRouter, URLRouter
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "structforge.settings.prod")
# Before the imports below: they load models, which need Django set up.
http = get_asgi_application()

from django.urls import path  # noqa: E402

from apps.executions.consumers import ExecutionConsumer  # noqa: E402
from apps.realtime.identity import OriginGuard  # noqa: E402

sockets = URLRouter([path("ws/executions/<uuid:execution_id>", ExecutionConsumer.as_asgi())])
application = ProtocolTypeRouter({"http": http, "websocket": OriginGuard(sockets)})
