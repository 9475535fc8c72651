"""What goes wrong, and when. Each fault is noted with its time and the processes that it hit, for the checker to compare."""

import heapq
import itertools
import signal
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from random import Random

import psutil

from tests.chaos.processes import Process
from tests.chaos.stack import Stack

EVERYBODY: tuple[int, ...] = ()
FREEZE_SECONDS = 10.0
REDIS_AWAY_SECONDS = 2.0
# Of the signals in a storm, so many go to pool children, the others to whole workers.
CHILDREN_SHARE = 0.9


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault that was done.

    at      seconds of the machine's clock, which the database shares
    until   when it was over: the worker thawed, the server back
    pids    the processes that it hit; empty for all
    """

    kind: str
    at: float
    until: float
    pids: tuple[int, ...] = EVERYBODY


@dataclass
class Arena:
    """Where faults are done.

    starts_while_redis_was_away   seconds that each took
    start_one   starts one execution; used to see whether starts are accepted while a server is away
    act_on_one  lets a person cancel, pause or resume one execution
    stopping    the worker that was told to stop and has not been replaced yet
    frozen_beat   the beat that stands still now
    """

    stack: Stack
    random: Random
    start_one: Callable[[], float]
    act_on_one: Callable[[Random], None]
    faults: list[Fault] = field(default_factory=list)
    starts_while_redis_was_away: list[float] = field(default_factory=list)
    stopping: Process | None = None
    frozen_beat: Process | None = None

    def note(self, kind: str, *, at: float | None = None, until: float | None = None, pids: Iterable[int] = EVERYBODY) -> None:
        at = at or time.time()
        self.faults.append(Fault(kind, at, until or at, tuple(pids)))

    def running_worker(self) -> Process | None:
        running = [worker for worker in self.stack.workers if worker.is_running and worker is not self.stopping]
        return self.random.choice(running) if running else None

    def running_beat(self) -> Process | None:
        running = [beat for beat in self.stack.beats if beat.is_running and beat is not self.frozen_beat]
        return self.random.choice(running) if running else None


@dataclass(frozen=True, slots=True)
class Later:
    """What has to follow a fault: `action` after `seconds`."""

    seconds: float
    action: "Action"


# What has to follow; None when there was nobody to do it to, so that it does not count.
Action = Callable[[Arena], Sequence[Later] | None]


@dataclass(frozen=True, slots=True)
class Plan:
    """An action at the second `first`, then every `every` seconds; `times` None: until the load is done."""

    action: Action
    first: float
    every: float
    times: int | None = None


class Player:
    """Plays plans by the clock. All faults are done by the thread that calls `step`."""

    def __init__(self, arena: Arena, plans: Sequence[Plan]) -> None:
        self._arena = arena
        self._begun = time.monotonic()
        self._numbers = itertools.count()
        self._due: list[tuple[float, int, Action, Plan | None]] = []
        self._left = {id(plan): plan.times for plan in plans}
        for plan in plans:
            self._push(self._begun + plan.first, plan.action, plan)

    def begin_anew(self) -> None:
        """All plans count from now."""
        late = time.monotonic() - self._begun
        self._due = [(at + late, number, action, plan) for at, number, action, plan in self._due]
        self._begun += late

    def step(self) -> None:
        """Do what is due."""
        while self._due and self._due[0][0] <= time.monotonic():
            _, _, action, plan = heapq.heappop(self._due)
            was_done = self._do(action)
            if plan is not None:
                self._repeat(plan, counts=was_done)

    @property
    def faults_left(self) -> int:
        """Of the plans that name a number."""
        return sum(left for left in self._left.values() if left)

    @property
    def is_mending(self) -> bool:
        """Whether a follow-up is still to come."""
        return any(plan is None for _, _, _, plan in self._due)

    def stop_repeating(self) -> None:
        """The load is done: no further faults, but what was broken is still mended."""
        self._due = [entry for entry in self._due if entry[3] is None]
        heapq.heapify(self._due)

    def _do(self, action: Action) -> bool:
        follows = action(self._arena)
        for later in follows or ():
            self._push(time.monotonic() + later.seconds, later.action, None)
        return follows is not None

    def _repeat(self, plan: Plan, *, counts: bool) -> None:
        left = self._left[id(plan)]
        if left is not None:
            self._left[id(plan)] = left = left - counts
        if left is None or left > 0:
            self._push(time.monotonic() + plan.every, plan.action, plan)

    def _push(self, at: float, action: Action, plan: Plan | None) -> None:
        heapq.heappush(self._due, (at, next(self._numbers), action, plan))


# Worker processes


def kill_a_worker(arena: Arena) -> Sequence[Later] | None:
    """`kill -9` of a worker and all its children; a new one takes its place."""
    worker = arena.running_worker()
    if worker is None:
        return None
    family = worker.family()
    worker.kill()
    arena.note("worker killed", pids=family)
    worker.start()
    return ()


def freeze_a_worker(arena: Arena) -> Sequence[Later] | None:
    """SIGSTOP for longer than a lease, then SIGCONT: it wakes up and reports, too late."""
    worker = arena.running_worker()
    if worker is None:
        return None
    family, at = worker.family(), time.time()
    worker.send(signal.SIGSTOP, to_group=True)

    def thaw(arena: Arena) -> Sequence[Later]:
        worker.send(signal.SIGCONT, to_group=True)
        arena.note("worker frozen", at=at, until=time.time(), pids=family)
        return ()

    return (Later(FREEZE_SECONDS, thaw),)


def signal_somebody(arena: Arena) -> Sequence[Later] | None:
    """SIGTERM or SIGQUIT, nine times of ten to a pool child, else to a whole worker, which is replaced once it has stopped.

    One worker at a time is told to stop, as in a rolling restart.
    """
    worker = arena.running_worker()
    if worker is None:
        return None
    signum = arena.random.choice((signal.SIGTERM, signal.SIGQUIT))
    children = worker.children()
    if children and (arena.stopping is not None or arena.random.random() < CHILDREN_SHARE):
        return _signal_child(arena, arena.random.choice(children), signum)
    if arena.stopping is None:
        arena.note(f"worker {signum.name}", pids=worker.family())
        worker.send(signum)
        arena.stopping = worker
        return (Later(0.5, _replace_what_stops),)
    return None


def _signal_child(arena: Arena, child: int, signum: signal.Signals) -> Sequence[Later] | None:
    try:
        psutil.Process(child).send_signal(signum)
    except psutil.NoSuchProcess:
        return None
    arena.note(f"pool child {signum.name}", pids=(child,))
    return ()


def _replace_what_stops(arena: Arena) -> Sequence[Later]:
    worker = arena.stopping
    assert worker is not None, "only a worker that was told to stop is waited for"
    if worker.is_running:
        return (Later(0.5, _replace_what_stops),)
    worker.start()
    arena.stopping = None
    return ()


def restart_what_died(arena: Arena) -> Sequence[Later]:
    """Do what a supervisor does: a worker that ended by itself is started again."""
    for worker in arena.stack.workers:
        if not worker.is_running and worker is not arena.stopping:
            arena.note("worker ended", pids=(worker.pid,))
            worker.start()
    return ()


# Beats


def kill_a_beat(arena: Arena) -> Sequence[Later] | None:
    """`kill -9` of a beat, whatever it is firing; a new one takes its place."""
    beat = arena.running_beat()
    if beat is None:
        return None
    pid = beat.pid
    beat.kill()
    arena.note("beat killed", pids=(pid,))
    beat.start()
    return ()


@dataclass(frozen=True, slots=True)
class FreezeABeat:
    """SIGSTOP, in the middle of a batch as likely as not, and SIGCONT so many seconds later: it goes on with what others have fired."""

    seconds: float

    def __call__(self, arena: Arena) -> Sequence[Later] | None:
        beat = arena.running_beat()
        if beat is None or arena.frozen_beat is not None:
            return None
        at, arena.frozen_beat = time.time(), beat
        beat.send(signal.SIGSTOP)

        def thaw(arena: Arena) -> Sequence[Later]:
            beat.send(signal.SIGCONT)
            arena.frozen_beat = None
            arena.note("beat frozen", at=at, until=time.time(), pids=(beat.pid,))
            return ()

        return (Later(self.seconds, thaw),)


# Servers


def flush_redis(arena: Arena) -> Sequence[Later]:
    """Everything in Redis is gone, and nobody says so."""
    with arena.stack.redis() as redis:
        redis.flushall()
    arena.note("flushall")
    return ()


def crash_postgres(arena: Arena) -> Sequence[Later]:
    """Immediate shutdown: no checkpoint, sessions cut, recovery at the start that follows."""
    at = time.time()
    arena.stack.stop_service("postgres", signal.SIGQUIT)
    arena.stack.start_postgres()
    arena.note("postgres crashed", at=at, until=time.time())
    return ()


def redis_away(arena: Arena) -> Sequence[Later]:
    """Redis is stopped, and comes back empty two seconds later."""
    return _take_redis_away(arena, probes=0)


def redis_away_with_starts(arena: Arena) -> Sequence[Later]:
    """As `redis_away`, and meanwhile executions are started."""
    return _take_redis_away(arena, probes=3)


def _take_redis_away(arena: Arena, *, probes: int) -> Sequence[Later]:
    at = time.time()
    arena.stack.stop_service("valkey", signal.SIGKILL)
    arena.starts_while_redis_was_away += [arena.start_one() for _ in range(probes)]

    def bring_back(arena: Arena) -> Sequence[Later]:
        arena.stack.start_valkey()
        arena.note("redis away", at=at, until=time.time())
        return ()

    return (Later(max(0.0, at + REDIS_AWAY_SECONDS - time.time()), bring_back),)


# People


def act_on_one(arena: Arena) -> Sequence[Later]:
    """Somebody cancels, pauses or resumes an execution; that is no fault, and not noted as one."""
    arena.act_on_one(arena.random)
    return ()
