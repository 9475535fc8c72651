"""The person who decides about uncertain node runs, by looking at what really happened."""

import threading
import time
from dataclasses import dataclass, field

import psycopg
from django.db import OperationalError

from apps.executions.actions import NotUncertainError, resolve_uncertain
from apps.executions.connection import TRANSIENT
from tests.chaos.stack import Stack

_UNCERTAIN = """
select n.id, n.attempt,
       (select c.output from chaos_effect c where (c.execution_id, c.key, c.path) = (n.execution_id, n.key, n.path) order by c.id limit 1)
  from node_run n where n.status = 'uncertain'
"""


@dataclass
class Operator:
    """Looks every second; decides once a node run has been uncertain for `patience_seconds`.

    A frozen worker may still wake up and act: where workers are frozen, patience must outlast the frost.
    decisions   {"rerun": count, "success": count}
    """

    stack: Stack
    patience_seconds: float
    decisions: dict[str, int] = field(default_factory=lambda: {"rerun": 0, "success": 0})
    _seen: dict[tuple[int, int], float] = field(default_factory=dict)
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread = field(init=False)

    def __post_init__(self) -> None:
        self._thread = threading.Thread(target=self._run, name="operator", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(timeout=30)

    def _run(self) -> None:
        while not self._stop.wait(1.0):
            try:
                self._look()
            except (psycopg.OperationalError, OperationalError, *TRANSIENT):
                continue  # the database is away; the next look is in a second

    def _look(self) -> None:
        with self.stack.database() as connection:
            rows = connection.execute(_UNCERTAIN).fetchall()
        for node_run_id, attempt, output in rows:
            since = self._seen.setdefault((node_run_id, attempt), time.monotonic())
            if time.monotonic() - since >= self.patience_seconds:
                self._decide(node_run_id, output)

    def _decide(self, node_run_id: int, output: object) -> None:
        """output   of the effect that has happened, None where none has"""
        decision = "rerun" if output is None else "success"
        try:
            resolve_uncertain(node_run_id=node_run_id, decision=decision, output=output)  # type: ignore[arg-type]
        except NotUncertainError:
            return
        self.decisions[decision] += 1
