"""The course of one scenario: load and faults until all is done, then the check. Needs Django to be set up."""

import random
import time
from collections.abc import Mapping
from typing import Any

import psycopg

from tests.chaos import checker
from tests.chaos.cpu_time import CpuTime
from tests.chaos.effects import TABLE
from tests.chaos.faults import Arena, Player
from tests.chaos.load import Submitter
from tests.chaos.messages import Meddler
from tests.chaos.operator import Operator
from tests.chaos.outside import Outside
from tests.chaos.people import People
from tests.chaos.processes import NotInTimeError, wait_until
from tests.chaos.publishing import publish
from tests.chaos.scenarios import Calm, Scenario
from tests.chaos.schedules import Schedules
from tests.chaos.stack import Stack
from tests.chaos.stopwatch import seconds_of_claims
from tests.chaos.verdict import Result

TICK_SECONDS = 0.05
LOOK_EVERY_SECONDS = 0.25
# So long the workers are left alone after the last execution, for frozen ones to report and for messages to be drained.
QUIET_SECONDS = 3.0
# Where more are started until the faults are done, so many are kept open.
FEW_EXECUTIONS = 50
DEFAULT_CALM_SECONDS = 10.0
PROBES_FROM = 10**8

_OPEN = """
select (select count(*) from execution where status not in ('success', 'failed', 'cancelled')) + (select count(*) from execution_ending)
       + (select count(*) from execution_follow_up where execution_id is null and error is null)
"""
_P99_SECONDS = "select percentile_cont(0.99) within group (order by extract(epoch from finished_at - created_at))::float8 from execution"
_CLAIMED_AGAIN = "select count(*) from node_run where attempt > 1 or losses > 0 or revision > 3"
_ANY_EXECUTION_SECONDS = "select extract(epoch from max(finished_at) - min(created_at))::float8 from execution"


class Round:
    """One run of a scenario on a stack that has been started."""

    def __init__(self, scenario: Scenario, stack: Stack, *, executions: int, calm: Calm, seed: int) -> None:
        self._scenario, self._stack, self._calm = scenario, stack, calm
        with stack.database() as connection:
            connection.execute(TABLE)
        self._workflows = publish([*scenario.called, *scenario.documents])[len(scenario.called) :]
        self._probes = 0
        self._people = People(stack)
        self._outside = Outside(stack)
        self._begun_at = time.time()
        self._arena = Arena(stack, random.Random(seed), self._start_probe, self._people.act)
        self._player = Player(self._arena, scenario.plans(calm.seconds or DEFAULT_CALM_SECONDS))
        self._submitter = self._starter(executions)
        self._sweeping = CpuTime(stack.beats)
        self._operator = Operator(stack, scenario.patience_seconds)
        self._meddler = Meddler(stack, scenario.documents, scenario.extra_messages, scenario.forged_messages)

    def _starter(self, executions: int) -> Submitter | Schedules:
        if self._scenario.schedules:
            return Schedules(self._workflows, executions, schedules=self._scenario.schedules)
        return Submitter(self._workflows, executions, input_of=self._input_of, goes_on=self._needs_more, batch=self._scenario.batch)

    def play(self) -> None:
        """Load and faults, until every execution has ended and every fault is mended. Raises NotInTimeError."""
        deadline = time.monotonic() + self._scenario.time_limit
        self._operator.start()
        self._submitter.start()
        if self._scenario.sends_events:
            self._outside.start()
        if self._scenario.is_backlog:
            wait_until(lambda: self._submitter.is_done, within_seconds=self._scenario.time_limit, what="all are started")
            self._stack.start_workers()
            self._player.begin_anew()
        self._sweeping.begin()
        if self._scenario.extra_messages:
            self._meddler.start()
        look_at = 0.0
        while True:
            self._player.step()
            if time.monotonic() >= look_at:
                if self._is_over():
                    break
                look_at = time.monotonic() + LOOK_EVERY_SECONDS
            if time.monotonic() > deadline:
                raise NotInTimeError(f"{self._scenario.name} is not done after {self._scenario.time_limit:g} s: {self._open()} open")
            time.sleep(TICK_SECONDS)
        self._sweeping.end()
        self._mend()
        self._operator.stop()
        self._outside.stop()

    def judge(self, *, profile: str) -> Result:
        """Stop the workers, then compare everything with everything."""
        stopped = self._stack.stop_processes()
        findings = checker.check(
            self._stack,
            self._scenario,
            self._arena.faults,
            expected=self._submitter.started + self._probes,
            concurrency=len(self._stack.workers) * self._stack.workers_wanted[0].concurrency,
            secrets=[self._stack.postgres.password, self._stack.valkey.password, self._stack.variables["SECRET_KEY"]],
        )
        return Result(
            scenario=self._scenario,
            profile=profile,
            seconds=float(self._one(_ANY_EXECUTION_SECONDS)),
            calm=self._calm,
            findings=findings,
            faults=self._arena.faults,
            faults_left=self._player.faults_left,
            decisions=self._operator.decisions,
            slowest_start_seconds=self._submitter.slowest_seconds,
            starts_while_redis_was_away=self._arena.starts_while_redis_was_away,
            extra_claims=int(self._one(_CLAIMED_AGAIN)) if self._scenario.claims_once else None,
            messages_sent=self._meddler.sent,
            actions=self._people.actions,
            p99_seconds=self._one(_P99_SECONDS),
            claims=seconds_of_claims(self._stack.timings),
            sweeper_share=self._sweeping.share,
            not_stopped=[name for name, by_itself in stopped.items() if not by_itself],
        )

    def _needs_more(self) -> bool:
        """Asked by the submitter's thread: True once few executions are left while faults are still to come."""
        while self._scenario.tops_up and self._player.faults_left > 0:
            still_open = self._open()
            if still_open is not None and still_open < FEW_EXECUTIONS:
                return True
            time.sleep(LOOK_EVERY_SECONDS)
        return False

    def _is_over(self) -> bool:
        if not self._submitter.is_done or self._open() != 0:
            return False
        return not self._scenario.extra_messages or self._meddler.is_done

    def _mend(self) -> None:
        """The load is done: mend what is broken, leave late reporters time, and send messages once more, a day late as it were."""
        self._player.stop_repeating()
        while self._player.is_mending:
            self._player.step()
            time.sleep(TICK_SECONDS)
        if self._scenario.extra_messages:
            self._meddler.resend_late()
            self._wait_for_empty_queues()
        time.sleep(QUIET_SECONDS)

    def _wait_for_empty_queues(self) -> None:
        deadline = time.monotonic() + self._scenario.time_limit
        with self._stack.redis() as redis:
            while any(redis.llen(queue) for queue in ("code", "code.high", "default", "default.high")):
                if time.monotonic() > deadline:
                    raise NotInTimeError("The queues do not empty.")
                time.sleep(0.2)

    def _open(self) -> int | None:
        """Executions that have not ended; None while the database is away."""
        try:
            return int(self._one(_OPEN))
        except psycopg.OperationalError:
            return None

    def _one(self, statement: str) -> float:
        with self._stack.database() as connection:
            row = connection.execute(statement.encode()).fetchone()
        assert row is not None
        return float(row[0])

    def _input_of(self, number: int) -> Mapping[str, Any]:
        return self._scenario.input_of(number, self._begun_at)

    def _start_probe(self) -> float:
        """Start one more execution from this thread; the seconds that it took."""
        assert isinstance(self._submitter, Submitter), "a probe is no part of what schedules start"
        self._probes += 1
        called = time.monotonic()
        self._submitter.start_batch(self._workflows[0], [PROBES_FROM + self._probes])
        return time.monotonic() - called
