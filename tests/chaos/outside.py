"""The world outside, which sends every execution the event that it waits for: half of them before anybody waits."""

import threading
from dataclasses import dataclass, field

import psycopg
from django.db import OperationalError, close_old_connections

from apps.executions.connection import TRANSIENT
from apps.executions.waking import send_event
from tests.chaos.deep import DEEP, EVENT
from tests.chaos.publishing import ensure_operator
from tests.chaos.stack import Stack

KEEP_SECONDS = 3600
# Even numbers as soon as they are started, odd ones once they wait.
_UNPAID = f"""
select (e.input->>'number')::int from execution e join workflow w on w.id = e.workflow_id and w.name = '{DEEP}'
 where (e.input->>'number')::int % 2 = 0
    or exists (select from node_run n where n.execution_id = e.id and n.key = 'paid' and n.status = 'waiting')
"""


@dataclass
class Outside:
    """Sends events until it is stopped, from a thread of its own; each as often as it must to hear that it arrived."""

    stack: Stack
    error: BaseException | None = None
    _paid: set[int] = field(default_factory=set)
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread = field(init=False)

    def __post_init__(self) -> None:
        self._thread = threading.Thread(target=self._run, name="outside", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Raises what stopped the thread before, if something did."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join(timeout=30)
        if self.error is not None:
            raise self.error

    def _run(self) -> None:
        try:
            while not self._stop.wait(0.3):
                self._look()
        except BaseException as error:  # handed to whoever stops it
            self.error = error

    def _look(self) -> None:
        try:
            with self.stack.database() as connection:
                numbers = {int(row[0]) for row in connection.execute(_UNPAID.encode()).fetchall()}
            for number in sorted(numbers - self._paid):
                self._pay(number)
                self._paid.add(number)
        except (psycopg.OperationalError, OperationalError, *TRANSIENT):
            close_old_connections()  # the database is away; the next look is soon

    def _pay(self, number: int) -> None:
        send_event(
            workspace=ensure_operator(),
            event=EVENT,
            correlation_key=number,
            payload={"number": number},
            idempotency_key=f"paid-{number}",
            keep_seconds=KEEP_SECONDS,
        )
