"""The web process: HTTP to Django, WebSockets to the consumers."""

import os

import django
from channels.routing import ProtocolTypeRouter

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "structforge.settings.prod")
django.setup(set_prefix=False)

from apps.core import garbage  # noqa: E402  # they need Django set up
from apps.core.api.body_limit import BodyLimit  # noqa: E402
from structforge import sockets  # noqa: E402
from structforge.http import ThreadHandler  # noqa: E402

application = ProtocolTypeRouter({"http": BodyLimit(ThreadHandler()), "websocket": sockets.application})
garbage.freeze_what_is_loaded()
