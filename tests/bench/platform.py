"""Both sides on one machine: our installation as `manage.py up` lays it out, and a plain Celery worker on the same Valkey."""

import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from apps.fleet.embedded.ports import free_port
from tests.bench.client import Client
from tests.chaos.processes import Process, python, wait_until
from tests.chaos.stack import Stack, WorkerKind

# The fleets of an installation: threads for what waits on others, processes for functions of users.
FLEETS = (
    WorkerKind(1, 16, pool="threads", queues="default.high,default"),
    WorkerKind(1, 2, pool="prefork", queues="code.high,code"),
)
PLAIN_CONCURRENCY = 2
READY_SECONDS = 60.0


@dataclass
class Platform:
    """All that is measured. `start` before Django is set up: it makes the settings' environment."""

    folder: Path
    fleets: tuple[WorkerKind, ...] = FLEETS
    has_web: bool = True
    stack: Stack = field(init=False)
    plain: Process = field(init=False)
    client: Client = field(init=False)
    _port: int = field(init=False)

    def start(self) -> Mapping[str, str]:
        """Start all; returns the environment that this process needs, too."""
        self.stack = Stack(
            self.folder,
            self.fleets,
            beats_wanted=1,
            environment={"NODE_FUNCTION_MODULES": "tests.bench.functions", "LOG_LEVEL": "warning"},
        )
        self.stack.start()
        self._start_plain()
        if self.has_web:
            self._port = free_port()
            self.stack.web(self._port).start()
        return self.stack.variables | self._plain_variables

    def stop(self) -> None:
        self.stack.stop()

    def log_in(self, username: str) -> None:
        """Give `client` a token, once the web server answers. Needs Django, to set the password."""
        from apps.accounts.models import User  # noqa: PLC0415  # needs the settings, which name this platform's servers

        user, password = User.objects.get(username=username), secrets.token_urlsafe(24)
        user.set_password(password)
        user.save()
        anonymous = Client(self._port)
        wait_until(lambda: _answers(anonymous), within_seconds=READY_SECONDS, what="the web server answers")
        answer = anonymous.post("/api/v1/auth/login", {"username": username, "password": password})
        self.client = Client(self._port, answer["access"])

    def _start_plain(self) -> None:
        args = python("-m", "celery", "-A", "tests.bench.plain", "worker", "-P", "prefork", "-c", str(PLAIN_CONCURRENCY), "-l", "warning")
        self.plain = Process("plain", args, {**self.stack.variables, **self._plain_variables}, self.stack.logs / "plain.log")
        self.stack.others.append(self.plain)
        self.plain.start()

    @property
    def _plain_variables(self) -> dict[str, str]:
        return {"PLAIN_BROKER_URL": f"{self.stack.valkey.url}/3", "PLAIN_RESULT_URL": f"{self.stack.valkey.url}/4"}


def _answers(client: Client) -> bool:
    try:
        client.get("/health", expect=(200,))
    except OSError:
        return False
    return True


def seconds_until_ready(process: Process, client: Client) -> float:
    """From the start of `process` until its web server says that it is ready."""
    begun = time.monotonic()
    process.start()
    wait_until(lambda: _answers(client), within_seconds=READY_SECONDS, what="manage.py up is ready", ask_every_seconds=0.02)
    return time.monotonic() - begun
