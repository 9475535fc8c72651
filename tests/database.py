"""Rows between tests: emptying the tables that a test has changed, and putting back what was kept of an earlier one.

Django empties all tables after a test that commits, and fills in content types and permissions anew: that takes longer than most tests.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper

# What only migrations write.
_FIXED = ("django_migrations", "django_content_type", "auth_permission")
_LARGE = 128 * 1024  # bytes
_TABLES = """
select c.relname, pg_relation_size(c.oid) > %s from pg_class c
 where c.relkind = 'r' and c.relnamespace = current_schema()::regnamespace and c.relname <> all (%s)
"""


@dataclass(frozen=True)
class Snapshot:
    """All rows, as PostgreSQL copies them: {quoted name of a table: bytes}."""

    rows: dict[str, bytes] = field(default_factory=dict)

    @classmethod
    def take(cls) -> "Snapshot":
        return cls({name: _copied(name) for name, _ in _filled_tables()})

    def restore(self) -> None:
        """Put the rows in the place of those that these tables hold. No trigger sees it: what triggers make of rows is among them."""
        with _without_triggers() as cursor:
            cursor.execute("; ".join(f"delete from {name}" for name in self.rows))
            for name, rows in self.rows.items():
                with cursor.copy(f"copy {name} from stdin") as copy:
                    copy.write(rows)


_at_first = Snapshot()


def remember() -> None:
    """Take note of what a new database holds, such as the templates of the system."""
    global _at_first  # noqa: PLW0603  # of this process and its database
    _at_first = Snapshot.take()


def empty() -> None:
    """Leave the rows that a new database has, and no others. To truncate a table takes fifty times as long as to delete a few rows, so
    only those are truncated that have grown large.
    """
    filled = dict(_filled_tables())
    changed = {name: is_large for name, is_large in filled.items() if not _is_as_at_first(name)}
    if changed:
        with _without_triggers() as cursor:
            cursor.execute(
                "; ".join(f"truncate {name} cascade" if is_large else f"delete from {name}" for name, is_large in changed.items())
            )
    # Truncating one table empties those that refer to it, whatever they hold.
    lost = set(_at_first.rows) if any(changed.values()) else changed.keys() & _at_first.rows.keys() | _at_first.rows.keys() - filled.keys()
    for name in lost:
        Snapshot({name: _at_first.rows[name]}).restore()


def truncate() -> None:
    """Take all rows out of all tables, and the room that deleted ones left: the planner counts it. For tests that are rolled back."""
    if names := [name for name, _ in _filled_tables()]:
        with connection.cursor() as cursor:
            cursor.execute(f"truncate {', '.join(names)} cascade")


def _is_as_at_first(name: str) -> bool:
    return name in _at_first.rows and _copied(name) == _at_first.rows[name]


def _filled_tables() -> list[tuple[str, bool]]:
    """(Quoted name, whether it is large) of each table that holds rows."""
    quote = connection.ops.quote_name
    with connection.cursor() as cursor:
        cursor.execute(_TABLES, [_LARGE, list(_FIXED)])
        large = {quote(name): is_large for name, is_large in cursor.fetchall()}
        cursor.execute(" union all ".join(f"select '{name}' where exists (select from {name})" for name in large))
        return [(name, large[name]) for (name,) in cursor.fetchall()]


def _copied(name: str) -> bytes:
    with connection.cursor() as cursor, cursor.copy(f"copy {name} to stdout") as copy:
        return b"".join(bytes(part) for part in copy)


@contextmanager
def _without_triggers() -> Iterator[CursorWrapper]:
    """No trigger fires, and so no foreign key is checked."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("set local session_replication_role = replica")
        yield cursor
        cursor.execute("set local session_replication_role = origin")
