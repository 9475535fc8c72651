"""Databases."""

from contextlib import closing
from typing import Annotated, ClassVar, Literal

import psycopg
from pydantic import Field

from apps.credentials.types.base import TEST_SECONDS, CredentialType, Fields, Tested, reachable_address, register
from apps.nodes.credentials import HeldCredential
from apps.nodes.secret import Secret

# No path of a socket, and no list of hosts.
Host = Annotated[str, Field(pattern=r"^[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$|^[0-9A-Fa-f:.]{2,45}$")]
Port = Annotated[int, Field(ge=1, le=65_535)]


class DatabaseFields(Fields):
    host: Host = Field(title="Host")
    """Name or address of the server."""
    port: Port = Field(default=5432, title="Port")
    """Where it listens."""
    database: str = Field(title="Database", min_length=1, max_length=63, pattern=r"^[^\x00]+$")
    """Name of the database."""
    username: str = Field(title="User", min_length=1, max_length=63, pattern=r"^[^\x00]+$")
    """Who logs in."""
    password: Secret = Field(title="Password")
    """That user's password."""
    sslmode: Literal["disable", "prefer", "require", "verify-full"] = Field(default="require", title="TLS")
    """Whether the connection is encrypted, and whether the server has to prove its name."""


@register
class Database(CredentialType[DatabaseFields]):
    """A PostgreSQL database."""

    name = "database"
    title = "PostgreSQL"
    icon = "database"
    destinations = frozenset(("host", "port", "sslmode"))
    Fields: ClassVar = DatabaseFields

    def test(self, fields: DatabaseFields, held: HeldCredential) -> Tested:
        address = reachable_address(fields.host, fields.port)
        try:
            with closing(_connect(fields, address)) as connection:
                connection.execute("select 1")
        except psycopg.Error as error:
            return Tested(False, f"The database refused: {' '.join(held.redactor.text(str(error)).split())[:300]}")
        return Tested(True, "The database let us in.")


def _connect(fields: DatabaseFields, address: str) -> "psycopg.Connection[tuple[object, ...]]":
    """A connection to the address that was checked; the name still counts for TLS."""
    return psycopg.connect(
        host=fields.host,
        hostaddr=address,
        port=fields.port,
        dbname=fields.database,
        user=fields.username,
        password=fields.password.reveal(),
        sslmode=fields.sslmode,
        sslrootcert="system" if fields.sslmode == "verify-full" else None,
        connect_timeout=int(TEST_SECONDS / 2),
        options=f"-c statement_timeout={int(TEST_SECONDS * 500)}",
        autocommit=True,
    )
