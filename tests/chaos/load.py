"""Put load on the installation, as a client of its own that does not give up when a server is away."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from django.db import OperationalError, close_old_connections

from apps.executions.actions import Start, start_executions
from apps.executions.connection import TRANSIENT
from apps.workflows.models import Workflow

PATIENCE_SECONDS = 60
MAY_PASS = (OperationalError, *TRANSIENT)


@dataclass
class Submitter:
    """Starts `count` executions, in turn of each workflow, from a thread of its own.

    input_of  what execution n is started with
    goes_on   asked once `count` are started: True asks for another batch
    batch     executions in one call
    started   how many are accepted
    slowest_seconds   of one accepted call
    """

    workflows: Sequence[Workflow]
    count: int
    input_of: Callable[[int], Mapping[str, Any]] = lambda number: {}
    goes_on: Callable[[], bool] = lambda: False
    batch: int = 20
    started: int = 0
    slowest_seconds: float = 0.0
    error: BaseException | None = None
    _thread: threading.Thread = field(init=False)

    def __post_init__(self) -> None:
        self._thread = threading.Thread(target=self._run, name="submitter", daemon=True)

    def start(self) -> None:
        self._thread.start()

    @property
    def is_done(self) -> bool:
        """All are started. Raises what stopped the thread, if something did."""
        if self.error is not None:
            raise self.error
        return not self._thread.is_alive()

    def _run(self) -> None:
        numbers = iter(range(10**9))
        try:
            while self.started < self.count or self.goes_on():
                size = min(self.batch, self.count - self.started) if self.started < self.count else self.batch
                self._start(list(islice(numbers, size)))
        except BaseException as error:  # handed to whoever asks `is_done`
            self.error = error

    def _start(self, numbers: Sequence[int]) -> None:
        for index, workflow in enumerate(self.workflows):
            mine = [number for number in numbers if number % len(self.workflows) == index]
            if mine:
                self.started += self.start_batch(workflow, mine)

    def start_batch(self, workflow: Workflow, numbers: Sequence[int]) -> int:
        """Start one execution for each number, once, however often it must ask. Returns how many."""
        starts = [Start(idempotency_key=f"chaos-{number}", input=self.input_of(number)) for number in numbers]
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            called = time.monotonic()
            try:
                start_executions(workflow=workflow, starts=starts)
            except MAY_PASS:
                if time.monotonic() > deadline:
                    raise
                close_old_connections()
                time.sleep(0.1)
            else:
                self.slowest_seconds = max(self.slowest_seconds, time.monotonic() - called)
                return len(starts)
