"""What the forked processes of an installation do, each in a process of its own. Importing this needs Django set up."""

import os
import secrets
import socket
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import celery
import uvicorn
from celery import signals
from celery.exceptions import SecurityWarning
from django.conf import settings
from django.core.management import call_command
from django.utils.module_loading import import_string

from apps.accounts.models import User
from apps.core.audit import acting
from apps.fleet import example_service
from apps.fleet.embedded.files import write_private
from apps.fleet.embedded.postgres import Postgres
from apps.fleet.fleets import Fleet

FIRST_ADMINISTRATOR = "admin"
GRACEFUL_SECONDS = 5
"""How long the web process waits for requests under way; a browser's open socket would hold it for ever."""

TellReady = Callable[[], None]


def prepare(postgres: Postgres | None, login: Path) -> None:
    """Bring the database to the present shape, and make the first administrator when there is none.

    login   the file that takes name and password of a new administrator, for the supervisor to print
    """
    if postgres is not None:
        postgres.ensure_database()
    call_command("migrate", interactive=False, verbosity=0)
    if not User.objects.filter(is_superuser=True).exists():
        password = secrets.token_urlsafe(12)
        with acting(via="shell"):
            User.objects.create_superuser(FIRST_ADMINISTRATOR, password=password)
        write_private(login, f"{FIRST_ADMINISTRATOR} / {password}")


def serve_web(listener: socket.socket) -> None:
    config = uvicorn.Config(
        import_string(settings.ASGI_APPLICATION),
        log_config=None,
        access_log=False,
        lifespan="off",
        timeout_graceful_shutdown=GRACEFUL_SECONDS,
        forwarded_allow_ips=os.environ.get("FORWARDED_ALLOW_IPS", ""),
    )
    uvicorn.Server(config).run(sockets=[listener])


def work(fleet: Fleet, tell_ready: TellReady) -> None:
    warnings.simplefilter("ignore", SecurityWarning)  # about root and pickle; our messages are JSON, and root is the user's choice
    signals.worker_ready.connect(lambda **_: tell_ready(), weak=False)
    celery.current_app.worker_main([*fleet.arguments(log_level=settings.LOG_LEVEL)])


def keep_time(tell_ready: TellReady) -> None:
    """Run beat."""
    signals.beat_init.connect(lambda **_: tell_ready(), weak=False)
    celery.current_app.start(["--quiet", "beat", "--pidfile=", f"--loglevel={settings.LOG_LEVEL}"])


def serve_example(port: int) -> None:
    example_service.run(port=port)


def run_command(arguments: Sequence[str]) -> None:
    call_command(*arguments)
