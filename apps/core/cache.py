"""Django's cache in a table of PostgreSQL, for values that must not vanish with Redis: counted attempts, codes that were used."""

from typing import Any

import orjson
from django.core.cache.backends.base import DEFAULT_TIMEOUT, BaseCache
from django.db import connection

_LIVE = "(expires_at is null or expires_at > clock_timestamp())"
_EXPIRY = "clock_timestamp() + make_interval(secs => %s)"  # null seconds: null, for ever
_GET = f"select value from cache_entry where key = %s and {_LIVE}"  # noqa: S608  # constants, here and below
_SET = f"""
    insert into cache_entry (key, value, expires_at) values (%s, %s, {_EXPIRY})
    on conflict (key) do update set value = excluded.value, expires_at = excluded.expires_at
"""  # noqa: S608
# An entry that has expired and was not pruned yet is as good as none.
_ADD = f"{_SET} where not (cache_entry.expires_at is null or cache_entry.expires_at > clock_timestamp())"
_TOUCH = f"update cache_entry set expires_at = {_EXPIRY} where key = %s and {_LIVE}"  # noqa: S608
_DELETE = f"delete from cache_entry where key = %s and {_LIVE}"  # noqa: S608

PRUNE = """
    delete from cache_entry where key in (select key from cache_entry where expires_at <= clock_timestamp() limit %(limit)s) returning 1
"""
"""Delete what has expired, `limit` rows at most."""


class PostgresCache(BaseCache):
    """Keeps JSON values, one statement a call. Writes are part of the transaction they happen in, and are undone with it."""

    def __init__(self, location: str, params: dict[str, Any]) -> None:
        super().__init__(params)

    def get(self, key: str, default: Any = None, version: int | None = None) -> Any:
        with connection.cursor() as cursor:
            cursor.execute(_GET, [self._key(key, version)])
            row = cursor.fetchone()
        return default if row is None else orjson.loads(row[0])

    def set(self, key: str, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> None:
        self._write(_SET, self._key(key, version), orjson.dumps(value).decode(), self._seconds(timeout))

    def add(self, key: str, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> bool:
        return self._write(_ADD, self._key(key, version), orjson.dumps(value).decode(), self._seconds(timeout))

    def touch(self, key: str, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> bool:
        return self._write(_TOUCH, self._seconds(timeout), self._key(key, version))

    def delete(self, key: str, version: int | None = None) -> bool:
        return self._write(_DELETE, self._key(key, version))

    def clear(self) -> None:
        self._write("delete from cache_entry")

    def _key(self, key: str, version: int | None) -> str:
        return self.make_and_validate_key(key, version=version)

    def _seconds(self, timeout: Any) -> float | None:
        """Seconds to live; None: for ever."""
        return self.default_timeout if timeout is DEFAULT_TIMEOUT else timeout

    def _write(self, statement: str, *parameters: Any) -> bool:
        with connection.cursor() as cursor:
            cursor.execute(statement, parameters)
            return cursor.rowcount > 0
