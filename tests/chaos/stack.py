"""A private installation: embedded PostgreSQL and Valkey, workers and beats as processes, everything on loopback."""

import os
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import psycopg
from redis import Redis

from apps.fleet.embedded.ports import free_port
from apps.fleet.embedded.postgres import Postgres
from apps.fleet.embedded.valkey import Valkey
from tests.chaos.processes import REPOSITORY, NotInTimeError, Process, python, wait_until

CELERY = ("-m", "celery", "-A", "structforge")
ALL_QUEUES = "code.high,default.high,code,default"
QUIET = ("--without-gossip", "--without-mingle", "--without-heartbeat")
STOP_SECONDS = 20


@dataclass(frozen=True)
class WorkerKind:
    """So many workers of one kind.

    queues   as Celery's -Q
    environment   in addition to that of the stack
    """

    count: int
    concurrency: int
    pool: str = "prefork"
    queues: str = ALL_QUEUES
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Stack:
    """All processes of one installation, below one folder.

    environment   in addition, for all of them
    """

    folder: Path
    workers_wanted: tuple[WorkerKind, ...]
    beats_wanted: int = 2
    environment: Mapping[str, str] = field(default_factory=dict)
    workers: list[Process] = field(default_factory=list, init=False)
    beats: list[Process] = field(default_factory=list, init=False)
    others: list[Process] = field(default_factory=list, init=False)
    _services: dict[str, "subprocess.Popen[bytes]"] = field(default_factory=dict, init=False)

    @cached_property
    def postgres(self) -> Postgres:
        return Postgres(self.folder / "postgres", free_port())

    @cached_property
    def valkey(self) -> Valkey:
        return Valkey(self.folder / "valkey", free_port(), is_durable=False)

    @cached_property
    def variables(self) -> dict[str, str]:
        """The environment of every process of this installation."""
        inherited = {name: value for name, value in os.environ.items() if name not in {"BROKER_URL", "DJANGO_SETTINGS_MODULE"}}
        return {
            **inherited,
            "DATABASE_URL": self.postgres.url,
            "REDIS_URL": self.valkey.url,
            "STRUCTFORGE_STATE_DIR": str(self.folder),
            "DJANGO_SETTINGS_MODULE": "structforge.settings.dev",
            "SECRET_KEY": secrets.token_urlsafe(48),
            "LOG_LEVEL": "warning",
            "PYTHONUNBUFFERED": "1",
            **self.environment,
        }

    def start(self, *, with_workers: bool = True) -> None:
        """Start everything and return once every worker waits for messages. Without workers: these are started by `start_workers`."""
        self._clear_folder()
        self.logs.mkdir(parents=True)
        self.timings.mkdir()
        self.start_postgres()
        self.start_valkey()
        self.migrate()
        for kind in self.workers_wanted:
            for _ in range(kind.count):
                self.workers.append(self._worker(f"worker{len(self.workers) + 1}", kind))
        self.beats = [self._beat(f"beat{number + 1}") for number in range(self.beats_wanted)]
        for process in self.beats:
            process.start()
        if with_workers:
            self.start_workers()

    def start_workers(self) -> None:
        """From the main thread: see Process.start."""
        for process in self.workers:
            process.start()
        self.wait_until_workers_listen()

    def _clear_folder(self) -> None:
        """Stop what a killed run left, then forget its data."""
        if self.postgres.data.exists():
            self.postgres.prepare()
            self.valkey.prepare()
        shutil.rmtree(self.folder, ignore_errors=True)
        for cached in ("postgres", "valkey"):  # they remember passwords
            self.__dict__.pop(cached, None)

    def stop(self) -> None:
        """Stop everything."""
        self.stop_processes()
        for name in list(self._services):
            self.stop_service(name, signal.SIGINT if name == "postgres" else signal.SIGTERM)

    def stop_processes(self) -> dict[str, bool]:
        """Stop all but the servers; {name: whether it stopped when asked}."""
        running = [*self.others, *self.workers, *self.beats]
        for process in running:
            process.send(signal.SIGCONT, to_group=True)
            process.send(signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        return {process.name: process.wait(max(0.1, deadline - time.monotonic())) for process in running}

    def migrate(self) -> None:
        """Make the tables, by a process of its own."""
        with (self.logs / "migrate.log").open("ab") as output:
            subprocess.run(
                python("manage.py", "migrate", "--no-input", "--skip-checks"),
                cwd=REPOSITORY,
                env=self.variables,
                stdout=output,
                stderr=output,
                check=True,
            )

    # Services

    def start_postgres(self) -> None:
        with (self.logs / "postgres.log").open("ab") as output:
            self._services["postgres"] = self.postgres.start(output)

    def start_valkey(self) -> None:
        """It keeps nothing on disk: after a stop it comes back empty."""
        with (self.logs / "valkey.log").open("ab") as output:
            self._services["valkey"] = self.valkey.start(output)

    def stop_service(self, name: str, signum: signal.Signals) -> None:
        process = self._services.pop(name)
        process.send_signal(signum)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    @property
    def postgres_pid(self) -> int:
        return self._services["postgres"].pid

    def redis(self) -> "Redis":
        """A connection to the database of the broker."""
        return Redis.from_url(f"{self.valkey.url}/0", socket_timeout=5)

    def database(self) -> "psycopg.Connection[tuple[Any, ...]]":
        return psycopg.connect(self.postgres.url, autocommit=True, connect_timeout=5)

    # Processes of the product

    @property
    def logs(self) -> Path:
        return self.folder / "logs"

    @property
    def timings(self) -> Path:
        """Where workers leave what they measure."""
        return self.folder / "timings"

    def wait_until_workers_listen(self, within_seconds: float = 60) -> None:
        """A worker that takes messages hangs in BRPOP, which the server can see."""

        def listening() -> bool:
            if ended := [worker.name for worker in self.workers if not worker.is_running]:
                raise NotInTimeError(f"{', '.join(ended)} ended at the start; see {self.logs}.")
            with self.redis() as redis:
                clients = redis.client_list()
            return sum(client["cmd"] == "brpop" for client in clients) >= len(self.workers)

        wait_until(listening, within_seconds=within_seconds, what="every worker listens")

    def _worker(self, name: str, kind: WorkerKind) -> Process:
        args = python(
            *CELERY, "worker", "-n", f"{name}@%h", "-P", kind.pool, "-c", str(kind.concurrency), "-Q", kind.queues, "-l", "warning", *QUIET
        )
        return Process(name, args, {**self.variables, **kind.environment}, self.logs / f"{name}.log")

    def _beat(self, name: str) -> Process:
        args = python(*CELERY, "beat", "-l", "warning", "--pidfile=")
        return Process(name, args, self.variables, self.logs / f"{name}.log")

    def web(self, port: int) -> Process:
        """The web server, not yet started."""
        args = python("-m", "uvicorn", "structforge.asgi:application", "--host", "127.0.0.1", "--port", str(port), "--log-level", "warning")
        process = Process("web", args, self.variables, self.logs / "web.log")
        self.others.append(process)
        return process
