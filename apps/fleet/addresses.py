"""Where the parts of this installation listen: said by the environment, or chosen here."""

import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from apps.engine.errors import ConflictError, InvalidError
from apps.fleet.embedded.ports import LOOPBACK, port_like
from apps.fleet.embedded.postgres import Postgres
from apps.fleet.embedded.valkey import Valkey

DEFAULT_SERVER_PORT = 8000


class PortTakenError(ConflictError):
    code = "port_taken"


class InvalidPortError(InvalidError):
    code = "invalid_port"


BACKLOG = 2048
"""Connections that wait while the web process starts, or starts again."""


@dataclass(frozen=True)
class Addresses:
    """What is embedded is None where the environment names a server of its own.

    listener   bound to `port` from now on, so that no other program takes it before the web process serves, or while it starts again
    """

    postgres: Postgres | None
    valkey: Valkey | None
    host: str
    listener: socket.socket
    example_port: int

    @property
    def port(self) -> int:
        return int(self.listener.getsockname()[1])

    @classmethod
    def choose(cls, folder: Path, environment: Mapping[str, str], before: Mapping[str, str]) -> "Addresses":
        """Choose free ports, those of the last start (`before`) where they are still free.

        Raises PortTakenError or InvalidPortError about a SERVER_PORT that the environment asks for.
        """
        host = environment.get("SERVER_HOST", LOOPBACK)
        return cls(
            postgres=None
            if environment.get("DATABASE_URL")
            else Postgres(folder / "postgres", port_like(_port_of(before.get("DATABASE_URL")))),
            valkey=None if environment.get("REDIS_URL") else Valkey(folder / "valkey", port_like(_port_of(before.get("REDIS_URL")))),
            host=host,
            listener=_listener(host, environment.get("SERVER_PORT")),
            example_port=port_like(_port_of(before.get("STRUCTFORGE_EXAMPLE_URL"))),
        )

    @property
    def environment(self) -> dict[str, str]:
        """What the processes are told. The embedded servers must be prepared, since their passwords are in it."""
        told = {"SERVER_PORT": str(self.port), "STRUCTFORGE_EXAMPLE_URL": f"http://{LOOPBACK}:{self.example_port}"}
        if self.postgres is not None:
            told["DATABASE_URL"] = self.postgres.url
        if self.valkey is not None:
            told["REDIS_URL"] = self.valkey.url
        return told

    @property
    def page(self) -> str:
        """Where a browser on this machine finds us."""
        host = LOOPBACK if self.host in ("0.0.0.0", "::") else self.host  # noqa: S104 (compared, not bound)
        return f"http://{host}:{self.port}"


def _port_of(url: str | None) -> int | None:
    return urlsplit(url).port if url else None


def _listener(host: str, wanted: str | None) -> socket.socket:
    if not wanted:
        try:
            return _bound(host, DEFAULT_SERVER_PORT)
        except OSError:
            return _bound(host, 0)
    if not wanted.isdecimal() or not 0 < int(wanted) < 65536:
        raise InvalidPortError(f"SERVER_PORT is {wanted!r}; a number from 1 to 65535 was expected.")
    try:
        return _bound(host, int(wanted))
    except OSError as error:
        raise PortTakenError(
            f"SERVER_PORT is {wanted}, where another program listens. Stop it, or leave SERVER_PORT out to get a free port."
        ) from error


def _bound(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=BACKLOG)
