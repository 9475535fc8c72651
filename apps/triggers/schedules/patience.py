"""Transactions in which schedules are locked, and which a process that stands still may not keep open.

Whoever fires passes over what another one has locked. A process that is frozen, or whose machine is gone, would keep its batch from being
fired for as long as that lasts; so PostgreSQL ends such a transaction, and whoever comes next fires what it had begun.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import psycopg
from django.db import Error, connection, transaction
from psycopg import errors

log = logging.getLogger(__name__)

T = TypeVar("T")
FIRST_SECONDS, MOST_SECONDS = 1.0, 60.0
_SET = "select set_config('idle_in_transaction_session_timeout', %s, true)"


class TooSlowError(psycopg.OperationalError):
    """The transaction was ended, for its process had said nothing for too long. Nothing of it was written: a trouble that passes."""


class Patience:
    """seconds   how long PostgreSQL waits between two statements

    Twice as long after each time that it was too short: it might be the work in between that takes so long, on a machine with much else
    to do. From there it becomes shorter again with every transaction that ends well.
    """

    def __init__(self) -> None:
        self.seconds = FIRST_SECONDS

    def run(self, work: Callable[[], T]) -> T:
        """Do `work` in a transaction, anew where PostgreSQL has ended it. Raises TooSlowError where that does not help any more."""
        while True:
            try:
                with self._transaction():
                    return work()
            except TooSlowError as error:
                if connection.in_atomic_block or self.seconds >= MOST_SECONDS:
                    raise
                log.warning("%s", error)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        try:
            with transaction.atomic():
                with connection.cursor() as cursor:
                    cursor.execute(_SET, [f"{self.seconds * 1000:.0f}ms"])
                yield
        except Error as error:
            if not was_ended(error):
                raise
            waited, self.seconds = self.seconds, min(2 * self.seconds, MOST_SECONDS)
            raise TooSlowError(f"A transaction of schedules stood still for more than {waited:g} s; it is begun anew.") from error
        self.seconds = max(FIRST_SECONDS, 0.9 * self.seconds)


patience = Patience()


def was_ended(error: BaseException | None) -> bool:
    """Whether that is at the bottom of it: leaving the transaction fails once more, on the connection that is gone."""
    while error is not None:
        if isinstance(error, errors.IdleInTransactionSessionTimeout):
            return True
        error = error.__cause__ or error.__context__
    return False
