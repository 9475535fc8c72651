"""Both sides on one machine: our installation by `manage.py up`, and a plain Celery worker on the same Valkey."""

import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from apps.fleet.embedded.ports import free_port
from apps.fleet.fleets import FLEETS
from tests.bench.client import Client, UnexpectedAnswerError
from tests.bench.memory import Watch, pss_mib, tree
from tests.chaos.cpu_time import cpu_with_children
from tests.chaos.processes import Process, python, wait_until
from tests.chaos.stack import Stack

PLAIN_CONCURRENCY = 2
READY_SECONDS = 120.0
IDLE_SECONDS = 10.0


@dataclass
class Platform:
    """All that is measured. `start` comes before Django is set up: it makes the environment that the settings read.

    runs_up         False: only the servers, the tables, and plain Celery
    ready_seconds   from the start of `manage.py up` until its web server said that it is ready
    """

    folder: Path
    runs_up: bool = True
    ready_seconds: float = 0.0
    stack: Stack = field(init=False)
    plain: Process = field(init=False)
    up: Process = field(init=False)
    client: Client = field(init=False)
    _port: int = field(init=False)

    def start(self) -> Mapping[str, str]:
        """Start all; returns the environment that this process needs, too."""
        environment = {"NODE_FUNCTION_MODULES": "tests.bench.functions", "LOG_LEVEL": "warning"}
        self.stack = Stack(self.folder, workers_wanted=(), beats_wanted=0, environment=environment)
        self.stack.start()
        self.plain = self._add("plain", "-m", "celery", "-A", "tests.bench.plain", "worker", "-P", "prefork", *_PLAIN_OPTIONS)
        self.plain.start()
        if self.runs_up:
            self._start_up()
        return self.stack.variables | self._plain_variables

    def stop(self) -> None:
        self.stack.stop()

    def log_in(self, username: str) -> None:
        """Give `client` a token. Needs Django, to set the password."""
        from apps.accounts.models import User  # noqa: PLC0415  # needs the settings, which name this platform's servers

        user, password = User.objects.get(username=username), secrets.token_urlsafe(24)
        user.set_password(password)
        user.save()
        answer = Client(self._port).post("/api/v1/auth/login", {"username": username, "password": password})
        self.client = Client(self._port, answer["access"])

    def idle_pss_mib(self) -> tuple[float, float]:
        """Memory of all processes of `manage.py up`, and of the plain worker, after a while of doing nothing."""
        time.sleep(IDLE_SECONDS)
        return pss_mib(tree(self.up.pid)), pss_mib(tree(self.plain.pid))

    def cpu_seconds(self) -> float:
        """What all processes of `manage.py up` and PostgreSQL have used so far."""
        return sum(cpu_with_children(psutil.Process(pid)) for pid in (self.up.pid, self.stack.postgres_pid))

    def watching_workers(self) -> Watch:
        """Watches the memory of every process of the workers, while it is entered."""
        return Watch(lambda: tree(self.up.pid), is_watched=lambda process: process.name().startswith("sf:worker"))

    def _start_up(self) -> None:
        self._port = free_port()
        self.up = self._add("up", "manage.py", "up", SERVER_PORT=str(self._port))
        anonymous = Client(self._port)
        begun = time.monotonic()
        self.up.start()
        wait_until(lambda: self._is_ready(anonymous), within_seconds=READY_SECONDS, what="manage.py up is ready", ask_every_seconds=0.02)
        self.ready_seconds = time.monotonic() - begun

    def _is_ready(self, client: Client) -> bool:
        if not self.up.is_running:
            raise RuntimeError(f"manage.py up ended with code {self.up.popen and self.up.popen.returncode}; see {self.up.log}.")
        return self._workers_listen() and _web_is_ready(client)

    def _workers_listen(self) -> bool:
        """Whether a worker of each fleet hangs in BRPOP on our broker's database, where plain Celery has another."""
        with self.stack.redis() as redis:
            listening = [client for client in redis.client_list() if client["cmd"] == "brpop" and client["db"] == "0"]
        return len(listening) >= len(FLEETS)

    def _add(self, name: str, *args: str, **more: str) -> Process:
        environment = {**self.stack.variables, **self._plain_variables, **more}
        process = Process(name, python(*args), environment, self.stack.logs / f"{name}.log")
        self.stack.others.append(process)
        return process

    @property
    def _plain_variables(self) -> dict[str, str]:
        return {"PLAIN_BROKER_URL": f"{self.stack.valkey.url}/3", "PLAIN_RESULT_URL": f"{self.stack.valkey.url}/4"}


def _web_is_ready(client: Client) -> bool:
    try:
        client.get("/health/ready")
    except (OSError, UnexpectedAnswerError):
        client.forget()
        return False
    return True


_PLAIN_OPTIONS = ("-c", str(PLAIN_CONCURRENCY), "-l", "warning")
