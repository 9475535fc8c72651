"""The web process: HTTP to Django, WebSockets to the consumers."""

import os

from channels.routing import ProtocolTypeRouter
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "structforge.settings.prod")
http = get_asgi_application()

from apps.core.api.body_limit import BodyLimit  # noqa: E402  # they load models, which need Django set up
from structforge import sockets  # noqa: E402

application = ProtocolTypeRouter({"http": BodyLimit(http), "websocket": sockets.application})
