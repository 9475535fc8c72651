"""Messages that should not be: duplicates, in another order, late, and forged."""

import random
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import uuid4

from structforge.celery import app
from tests.chaos.shapes import JSON
from tests.chaos.stack import Stack

RUN_NODE = "workers.run_node"
QUEUES = ("code", "code.high", "default", "default.high")


@dataclass
class Meddler:
    """Sends `times` messages for every node of every execution while the load runs, in no order, and `forged` about nothing.

    sent   messages so far
    """

    stack: Stack
    documents: Sequence[JSON]
    times: int
    forged: int
    sent: int = 0
    _thread: threading.Thread = field(init=False)
    _random: random.Random = field(default_factory=lambda: random.Random(17))

    def __post_init__(self) -> None:
        self._thread = threading.Thread(target=self._run, name="meddler", daemon=True)

    def start(self) -> None:
        self._thread.start()

    @property
    def is_done(self) -> bool:
        return not self._thread.is_alive()

    def resend_late(self) -> None:
        """Once all is over: one more message for every node run."""
        for message in self._messages(self._executions(), times=1):
            self._send(message)

    def _run(self) -> None:
        for _ in range(self.forged):
            self._send((str(uuid4()), self._random.choice(["a", "b", "nobody"]), str(uuid4())))
        known: set[str] = set()
        for _ in range(self.times):
            executions = self._executions()
            known.update(execution for execution, _ in executions)
            for message in self._messages(executions, times=1):
                self._send(message)
        for message in self._messages([one for one in self._executions() if one[0] not in known], times=self.times):
            self._send(message)

    def _executions(self) -> list[tuple[str, str]]:
        with self.stack.database() as connection:
            return [(str(a), str(b)) for a, b in connection.execute("select id::text, version_id::text from execution").fetchall()]

    def _messages(self, executions: Sequence[tuple[str, str]], *, times: int) -> list[tuple[str, str, str]]:
        keys = sorted({node["key"] for document in self.documents for node in document["nodes"]})
        found = [(execution, key, version) for execution, version in executions for key in keys] * times
        self._random.shuffle(found)
        return found

    def _send(self, message: tuple[str, str, str]) -> None:
        execution, key, version = message
        app.send_task(RUN_NODE, args=[execution, [key], "", version], queue=self._random.choice(QUEUES))
        self.sent += 1
