"""Executions that start, run, fail, are retried, paused, cancelled and lose their workers, under limits that change meanwhile."""

from collections.abc import Callable, Iterator
from random import Random
from typing import Any
from uuid import UUID, uuid4

from apps.executions import protocol
from apps.executions.actions import Start, cancel_execution, pause_execution, resume_execution, start_executions
from apps.executions.connection import fetch
from apps.executions.models import ExecutionLimit
from apps.workflows.models import WorkflowVersion
from tests.factories import make_version, make_workspace
from tests.workers.driving import step
from tests.workers.test_runner import START, document, put
from workers.sweepers import Sweeper

PEOPLE = ("ada", "bob")
KEYS = ("a", "b", "c")
MOST_OPEN = 60
FLAKY = {"type": "function", "config": {"function": "tests.flaky", "arguments": {"failures": 1}}}
BODIES: tuple[dict[str, Any], ...] = (
    {"work": {"type": "function", "config": {"function": "tests.count", "arguments": {}}}},
    {"work": {**FLAKY, "retry": {"max_attempts": 2, "delay_seconds": 0}}},
    {"work": {"type": "control.fail", "config": {"message": "no", "code": "broken"}}},
)
_HELD = """
select e.workspace_id as workspace, e.workflow_id as workflow, e.concurrency_key as key, e.started_by_id as person,
       e.max_concurrency as most
  from execution e where e.status in ('running', 'paused', 'cancelling')
"""


class Limits:
    """The model. `steps` plays so many of them; what must hold is checked after each."""

    def __init__(self, seed: int, sweeper: Sweeper) -> None:
        self._random = Random(seed)
        self._sweeper = sweeper
        self._people = {name: make_workspace(name).owner for name in PEOPLE}
        self._versions = [version for name in PEOPLE for version in _versions(name)]
        self._limits = {id(row): row for row in self._limit_rows()}
        self._held: dict[str, int] = {}

    def _limit_rows(self) -> Iterator[ExecutionLimit]:
        yield ExecutionLimit.objects.create(kind="installation", max_running=9)
        for name in PEOPLE:
            workspace = make_workspace(name)
            yield ExecutionLimit.objects.create(kind="workspace", workspace=workspace, max_running=6)
            yield ExecutionLimit.objects.create(kind="user", workspace=workspace, max_running=4)

    def play(self, steps: int) -> None:
        verbs = [self.start] * 3 + [self.work] * 6 + [self.kill, self.cancel, self.pause, self.resume, self.wake, self.sweep, self.change]
        for number in range(steps):
            verb: Callable[[], None] = self._random.choice(verbs)
            verb()
            self.check(f"step {number}: {verb.__name__}")

    def finish(self) -> None:
        """Without further faults, everybody has their turn, and no slot is held in the end."""
        for _ in range(10_000):
            if not self._some("e.status not in ('success', 'failed', 'cancelled')"):
                break
            for execution in self._some("e.status = 'paused'"):
                resume_execution(execution_id=execution)
            self.sweep()
            for execution in self._some("e.status in ('running', 'cancelling')"):
                step(execution)
            self.check("the end")
        assert self._some("e.status not in ('success', 'failed', 'cancelled')") == []
        assert fetch(_HELD, {}) == []

    # What happens

    def start(self) -> None:
        if len(self._some("e.status not in ('success', 'failed', 'cancelled')")) < MOST_OPEN:
            version = self._random.choice(self._versions)
            starts = [Start(input={"who": self._random.choice([*KEYS, ""])}) for _ in range(self._random.randint(1, 4))]
            person = self._random.choice([*self._people.values(), None])
            priority = self._random.choice(["high", "normal"])
            start_executions(workflow=version.workflow, version=version, starts=starts, started_by=person, priority=priority)

    def work(self) -> None:
        if execution := self._one("e.status in ('running', 'paused', 'cancelling')"):
            step(execution)

    def kill(self) -> None:
        """A worker takes what is queued, and dies."""
        statement = """
            select n.execution_id, n.key from node_run n join execution e on e.id = n.execution_id
             where n.status = 'queued' and e.status = 'running' order by n.id
        """
        if rows := fetch(statement, {}):
            row = self._random.choice(rows)
            protocol.claim(
                execution_id=row["execution_id"], keys=[row["key"]], tokens=[uuid4()], path="", worker="w", reads=[], wants_input=False
            )
            if self._random.random() < 0.7:
                protocol.lapse(workers=["w"], forgive=self._random.random() < 0.5)
                self._sweeper.rescue()

    def cancel(self) -> None:
        if execution := self._one("e.status in ('pending', 'running', 'paused')"):
            was_pending = bool(fetch("select 1 as one from execution where id = %(id)s and status = 'pending'", {"id": execution}))
            cancel_execution(execution_id=execution)
            if was_pending:
                ran = "select 1 as one from node_run where execution_id = %(id)s and started_at is not null"
                assert not fetch(ran, {"id": execution}), "it was cancelled in line, and had run"

    def pause(self) -> None:
        if execution := self._one("e.status = 'running'"):
            pause_execution(execution_id=execution)

    def resume(self) -> None:
        if execution := self._one("e.status = 'paused'"):
            resume_execution(execution_id=execution)

    def wake(self) -> None:
        self._sweeper.wake()

    def sweep(self) -> None:
        """What sweepers do in time, lapsed leases and the grace of cancelling included."""
        fetch("update node_run set lease_until = clock_timestamp() where status = 'running' returning 1 as one", {})
        fetch("update node_run set wake_at = clock_timestamp() where status = 'retrying' returning 1 as one", {})
        late = "clock_timestamp() - interval '1 hour'"
        fetch(f"update execution set cancelling_since = {late} where status = 'cancelling' returning 1 as one", {})
        self._sweeper.rescue()
        self._sweeper.wake()
        self._sweeper.stop_cancelling()
        self._sweeper.let_in()
        assert not self._has_room(), "somebody waits, though there is room"

    def change(self) -> None:
        """An administrator sets a limit, or drops it."""
        row = self._random.choice(list(self._limits.values()))
        row.max_running = self._random.choice([None, 1, 2, 4, 8])
        row.save()

    # What must hold

    def check(self, when: str) -> None:
        """No more hold a slot than each limit allows; or than did before, where it was lowered below that."""
        held: dict[str, int] = {}
        limits: dict[str, int] = {}
        for row in fetch(_HELD, {}):
            for scope, most in self._scopes(row):
                held[scope] = held.get(scope, 0) + 1
                if most is not None:
                    limits[scope] = (
                        min(limits.get(scope, most), most) if scope.startswith(("w", "u", "i")) else max(limits.get(scope, 0), most)
                    )
        for scope, most in limits.items():
            assert held[scope] <= max(most, self._held.get(scope, 0)), f"{when}: {held[scope]} hold a slot of {scope}, allowed are {most}"
        self._held = held

    def _scopes(self, row: dict[str, Any]) -> Iterator[tuple[str, int | None]]:
        found = {(limit.kind, limit.workspace_id): limit.max_running for limit in self._limits.values()}
        yield "i", found["installation", None]
        yield f"w {row['workspace']}", found["workspace", row["workspace"]]
        if row["person"] is not None:
            yield f"u {row['workspace']} {row['person']}", found["user", row["workspace"]]
        if row["most"] is not None:
            yield f"k {row['workflow']} {row['key']}", row["most"]

    def _has_room(self) -> bool:
        """Whether somebody waits for whom no limit is full."""
        waiting = self._some("e.status = 'pending'")
        rows = fetch("select scope from waiting_v1(%(ids)s, 1)", {"ids": waiting})
        return any(row["scope"] is None for row in rows)

    def _one(self, condition: str) -> UUID | None:
        found = self._some(condition)
        return self._random.choice(found) if found else None

    def _some(self, condition: str) -> list[UUID]:
        return [row["id"] for row in fetch(f"select e.id from execution e where {condition} order by e.created_at, e.id", {})]


def _versions(name: str) -> Iterator[WorkflowVersion]:
    for settings in ({}, {"max_concurrency": 3}, {"max_concurrency": 2, "concurrency_key": "${input.who}"}):
        for body in BODIES:
            nodes = {"start": START, **body, "end": put(x=1)}
            definition = document(nodes, "start -> work -> end", settings=settings, inputs={"who": "string"})
            yield make_version(definition, username=name)
