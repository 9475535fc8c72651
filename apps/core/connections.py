"""Django's connection to the database, outside of requests."""

from django.db import close_old_connections, connection


def release_connection() -> None:
    """Give this thread's connection back until it is used again; not in the middle of a transaction."""
    if not connection.in_atomic_block:
        close_old_connections()
