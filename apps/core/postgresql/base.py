"""Django's PostgreSQL backend, with a fence that stays with the thread while its connections come and go.

A view that waits gives its connection back and takes another; the first must serve nobody alone any more, and the second the same caller.
"""

from typing import Any

import psycopg
from django.db.backends.postgresql import base
from psycopg.pq import TransactionStatus

from apps.core.postgresql.caller import Caller

WEB_ROLE = "structforge_web"

# Two settings and the role, in one message. They outlive transactions: a request has many.
_UP = f'set structforge."user" = %s; set structforge.workspace = %s; set role {WEB_ROLE}'
_DOWN = 'reset role; reset structforge."user"; reset structforge.workspace'


class DatabaseWrapper(base.DatabaseWrapper):
    """`caller` is whom this thread works for; None: no fence."""

    caller: Caller | None = None
    _is_fenced = False  # what the server was told on the present connection

    def serve(self, caller: Caller | None) -> None:
        """Work for `caller` alone from here on; for the owner of the tables with None. One round trip, where anything changes."""
        if caller == self.caller:
            return
        self.caller = caller
        if self.connection is None:
            return
        if self.connection.pgconn.transaction_status == TransactionStatus.INERROR:
            # No statement is taken now. The rollback that has to come brings back what was before the transaction.
            self._is_fenced = True
        elif caller is None:
            self._take_down()
        else:
            self._put_up(caller)

    def connect(self) -> None:
        super().connect()
        if self.caller is not None:
            self._put_up(self.caller)

    def _close(self) -> Any:
        if self.connection is not None and self._is_fenced:
            self._take_down(leaves_transaction=True)
        return super()._close()  # type: ignore[misc]  # the stubs leave it out

    def _put_up(self, caller: Caller) -> None:
        with self.wrap_database_errors:
            self.connection.execute(_UP, [str(caller.user_id), str(caller.workspace_id or "")])
        self._is_fenced = True

    def _take_down(self, *, leaves_transaction: bool = False) -> None:
        """A connection that does not obey is closed: the pool makes another in its place."""
        try:
            if leaves_transaction:
                self.connection.rollback()  # or it would undo the statement
            self.connection.execute(_DOWN)
            if leaves_transaction:
                self.connection.commit()
        except psycopg.Error:
            self.connection.close()
        self._is_fenced = False
