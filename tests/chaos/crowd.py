"""A hundred thousand executions that wait at once: `python -m tests.chaos.crowd [--profile ci|full] [--executions 100000]`.

They must be rows and nothing else: no message, no lease, no process at work; one event finds the one that it wakes by an index, and whoever
sweeps has hardly anything to do meanwhile. Prints one JSON line and appends it to the record of runs. Exit code 0: it reached the numbers.
"""

import argparse
import json
import os
import random
import signal
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import django
import psutil

from tests.chaos.cpu_time import CpuTime, cpu_seconds, cpu_with_children
from tests.chaos.deep import EVENT, waiting
from tests.chaos.processes import STATE, wait_until
from tests.chaos.scenarios import CI, FULL
from tests.chaos.stack import Stack, WorkerKind

BATCH = 1000
EXECUTIONS = {FULL: 100_000, CI: 1000}
IDLE_SECONDS = {FULL: 30.0, CI: 3.0}
EVENTS = 200
QUEUES = ("code", "code.high", "default", "default.high")
# Of one core: what each beat may take, and what PostgreSQL may for all who sweep.
SWEEPER_SHARE, POSTGRES_SHARE = 0.1, 0.1
EVENT_P99_MS = 50.0

_STATUSES = "select n.status, count(*) from node_run n group by 1"
_WHO_WAITS = """
explain (analyze, format json)
select n.id from node_run n
 where n.workspace_id = %s and n.waits_for = %s and n.status = 'waiting' and n.started_at <= clock_timestamp() limit 500
"""
_ENDED = "select (input->>'number')::int from execution where status = 'success'"
# Seconds from the event to the end of the node that waited for it; the output of the workflow is a node run too.
_WOKEN = "select extract(epoch from finished_at - queued_at)::float8 from node_run where status = 'success' and key = 'paid'"


@dataclass
class Crowd:
    """What was seen.

    begun_seconds      from the first start until the last one waited
    leases, messages   while all waited
    beat_share, worker_share, postgres_share   of one core, while nothing happened: each beat, all workers together, the whole server
    scan, scan_ms      how an event finds who waits for it
    """

    executions: int
    idle_seconds: float
    begun_seconds: float = 0.0
    leases: int = 0
    messages: int = 0
    beat_share: float = 0.0
    worker_share: float = 0.0
    postgres_share: float = 0.0
    invariants_ms: float = 0.0
    scan: str = ""
    scan_ms: float = 0.0
    event_p50_ms: float = 0.0
    event_p99_ms: float = 0.0
    woken_p99_ms: float = 0.0
    failures: list[str] = field(default_factory=list)


def stack() -> Stack:
    """One worker of three processes, two beats: what waits needs no more."""
    environment = {"NODE_FUNCTION_MODULES": "tests.chaos.functions"}
    return Stack(STATE / "chaos" / "crowd", (WorkerKind(1, 3),), environment=environment)


def see(crowd: Crowd, stack: Stack) -> None:
    """Have them wait, look, wake some."""
    from tests.chaos.publishing import publish  # noqa: PLC0415  # these need the settings, which name this stack's servers

    (workflow,) = publish([waiting()])
    begun = time.monotonic()
    _start(crowd.executions, workflow)
    wait_until(lambda: _statuses(stack) == {"waiting": crowd.executions}, within_seconds=1200, what="all wait", ask_every_seconds=1.0)
    crowd.begun_seconds = time.monotonic() - begun
    _look(crowd, stack)
    _idle(crowd, stack)
    _wake(crowd, stack, workflow)


def judge(crowd: Crowd, *, profile: str) -> None:
    """Note every number that was not reached."""
    limits: dict[str, tuple[float, float]] = {"leases": (crowd.leases, 0), "messages": (crowd.messages, 0)}
    # The short profile is a test, on a machine that others use.
    rates: dict[str, tuple[float, float]] = {
        "share of a core of a beat": (crowd.beat_share, SWEEPER_SHARE),
        "share of a core of PostgreSQL": (crowd.postgres_share, POSTGRES_SHARE),
        "p99 of an event, ms": (crowd.event_p99_ms, EVENT_P99_MS),
    }
    limits |= rates if profile == FULL else {}
    crowd.failures += [f"{what}: {found:.4g}, more than {most:g}" for what, (found, most) in limits.items() if found > most]
    if "node_run_waits_for" not in crowd.scan:
        crowd.failures.append(f"an event finds its node run by {crowd.scan}")


def _start(count: int, workflow: Any) -> None:
    from apps.executions.actions import Start, start_executions  # noqa: PLC0415

    for first in range(0, count, BATCH):
        numbers = range(first, min(count, first + BATCH))
        start_executions(workflow=workflow, starts=[Start(input={"number": number}) for number in numbers])


def _statuses(stack: Stack) -> dict[str, int]:
    with stack.database() as connection:
        return dict(connection.execute(_STATUSES).fetchall())


def _ended(stack: Stack) -> set[int]:
    with stack.database() as connection:
        return {row[0] for row in connection.execute(_ENDED).fetchall()}


def _look(crowd: Crowd, stack: Stack) -> None:
    with stack.database() as connection:
        crowd.leases = connection.execute("select count(*) from node_run where lease_until is not null").fetchall()[0][0]
        begun = time.perf_counter()
        broken = connection.execute("select fault from broken_invariants_v1()").fetchall()
        crowd.invariants_ms = 1000 * (time.perf_counter() - begun)
        place = connection.execute("select workspace_id, waits_for from node_run order by id desc limit 1").fetchall()[0]
        plan = connection.execute(_WHO_WAITS, place).fetchall()[0][0][0]
    crowd.failures += [str(fault) for (fault,) in broken]
    crowd.scan, crowd.scan_ms = " of ".join(_index_scans(plan["Plan"])) or "no index", plan["Execution Time"]
    with stack.redis() as redis:
        crowd.messages = sum(int(redis.llen(queue)) for queue in QUEUES)


def _index_scans(plan: dict[str, Any]) -> list[str]:
    here = [f"{plan['Node Type']} using {plan['Index Name']}"] if "Index Name" in plan else []
    return here + [scan for part in plan.get("Plans", ()) for scan in _index_scans(part)]


def _idle(crowd: Crowd, stack: Stack) -> None:
    """Nothing happens for a while; what does that cost?"""
    beats, (worker,) = CpuTime(stack.beats), stack.workers
    postgres = psutil.Process(stack.postgres_pid)
    family = worker.family()
    beats.begin()
    before = sum(map(cpu_seconds, family)), cpu_with_children(postgres)
    time.sleep(crowd.idle_seconds)  # it is the time that is measured
    beats.end()
    crowd.beat_share = beats.share
    crowd.worker_share = (sum(map(cpu_seconds, family)) - before[0]) / crowd.idle_seconds
    crowd.postgres_share = (cpu_with_children(postgres) - before[1]) / crowd.idle_seconds


def _wake(crowd: Crowd, stack: Stack, workflow: Any) -> None:
    from apps.executions.waking import send_event  # noqa: PLC0415

    numbers = random.sample(range(crowd.executions), EVENTS)
    took = []
    for number in numbers:
        begun = time.perf_counter()
        sent = send_event(workspace=workflow.workspace, event=EVENT, correlation_key=number, payload={"number": number})
        took.append(1000 * (time.perf_counter() - begun))
        if sent.woken != 1:
            crowd.failures.append(f"the event of number {number} woke {sent.woken}")
    wait_until(lambda: len(_ended(stack)) >= EVENTS, within_seconds=60, what="those have ended that were woken")
    ended = _ended(stack)
    with stack.database() as connection:
        woken = connection.execute(_WOKEN).fetchall()
    if ended != set(numbers):
        crowd.failures.append(f"others have ended than those who were woken: {sorted(ended ^ set(numbers))[:5]}")
    crowd.event_p50_ms, crowd.event_p99_ms = statistics.median(took), statistics.quantiles(took, n=100)[98]
    crowd.woken_p99_ms = 1000 * statistics.quantiles([row[0] for row in woken], n=100)[98]


def play(executions: int, *, profile: str) -> dict[str, Any]:
    """The whole of it, in this process; its line."""
    private, crowd = stack(), Crowd(executions, IDLE_SECONDS[profile])
    try:
        private.start()
        os.environ.update(private.variables)
        django.setup()
        see(crowd, private)
    finally:
        private.stop()
    judge(crowd, profile=profile)
    rounded = {name: round(value, 3) if isinstance(value, float) else value for name, value in vars(crowd).items()}
    return {"scenario": "crowd", "profile": profile, "verdict": "fail" if crowd.failures else "pass", **rounded}


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.chaos.crowd", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--profile", choices=[CI, FULL], default=FULL)
    parser.add_argument("--executions", type=int, help="instead of the number of the profile")
    options = parser.parse_args(argv)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("told to stop"))  # so that the stack is taken down
    line = play(options.executions or EXECUTIONS[options.profile], profile=options.profile)
    print(json.dumps(line), flush=True)
    with (STATE / "chaos.jsonl").open("a") as file:
        file.write(json.dumps(line) + "\n")
    return 0 if line["verdict"] == "pass" else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
