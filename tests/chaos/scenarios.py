"""The catalogue: each scenario's load, faults, and the numbers to reach."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from tests.chaos import deep, faults, laws
from tests.chaos.faults import Plan
from tests.chaos.shapes import EXTERNAL, IDEMPOTENT, JSON, SLOW, load_a, wide

LEASE_SECONDS = 6.0
KILL_EVERY_SECONDS = 2.0
FULL, CI = "full", "ci"


@dataclass(frozen=True, slots=True)
class Calm:
    """What the run without faults took, None where there was none: all of it, and 99 of 100 executions from start to end."""

    seconds: float | None = None
    p99_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """Numbers to reach, besides the laws of the checker; None where the catalogue names none.

    repeats_share   repeated effects per effect
    repeats         repeated effects in all
    times_calm      total time, in times of the run without faults
    added_seconds   total time over that of the run without faults, for each fault
    tail_seconds    from the last fault to the end of the last execution
    start_seconds   of a start while Redis is away
    sent_share      node runs that were pointed at, per node run; 1.0 when nothing is sent twice
    claim_p99_ms    of one claim
    sweeper_share   of one core, by each beat
    others_times_calm   p99 from start to end of executions without poison, in times of that of the run without faults
    measures        {measure of the scenario: most}
    """

    repeats_share: float | None = None
    repeats: int | None = None
    times_calm: float | None = None
    added_seconds: float | None = None
    tail_seconds: float | None = None
    start_seconds: float | None = None
    sent_share: float | None = None
    claim_p99_ms: float | None = None
    sweeper_share: float | None = None
    others_times_calm: float | None = None
    measures: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Scenario:
    """One entry of the catalogue.

    executions   {profile: how many}; a scenario without an entry is no part of the profile
    documents   definitions; execution n runs document n modulo their number
    called       definitions of what these call
    input_of     what execution n is started with, given the second of the epoch at which the load begins
    outcomes     statement that returns executions which did not end as expected
    laws, measures   {name: statement}: what must return nothing; and one number each
    plans        given the seconds that the calm run of the same load took
    tops_up      more executions are started until all faults are done
    fault_points   as `workers.faults` reads them
    extra_messages, forged_messages   of each node run; in all
    claims_once   no node run may have been claimed twice
    patience_seconds   how long the operator waits before deciding about an uncertain node run
    sends_events   somebody sends every execution the event that it waits for
    is_backlog   workers are started once all executions are
    batch        executions that are started at once
    schedules    so many start the executions, one each a second, in place of somebody who does
    beats        how many run
    time_limit   seconds after which the run is given up
    """

    name: str
    title: str
    executions: Mapping[str, int]
    limits: Limits
    plans: "PlanMaker"
    documents: Sequence[JSON] = (load_a(IDEMPOTENT), load_a(EXTERNAL))
    patience_seconds: float = 2.0
    fault_points: str = ""
    tops_up: bool = False
    extra_messages: int = 0
    forged_messages: int = 0
    claims_once: bool = False
    called: Sequence[JSON] = ()
    input_of: Callable[[int, float], JSON] = lambda number, begun_at: {}
    outcomes: str = laws.ALL_SUCCEED
    laws: Mapping[str, str] = field(default_factory=dict)
    measures: Mapping[str, str] = field(default_factory=dict)
    sends_events: bool = False
    is_backlog: bool = False
    batch: int = 20
    schedules: int = 0
    beats: int = 2
    time_limit: float = 600.0


class PlanMaker:
    """Plans for a load that takes `calm_seconds` without faults."""

    def __call__(self, calm_seconds: float) -> list[Plan]:
        return []


@dataclass(frozen=True, slots=True)
class UntilDone(PlanMaker):
    """An action again and again while the load lasts."""

    action: faults.Action
    every: float

    def __call__(self, calm_seconds: float) -> list[Plan]:
        return [Plan(self.action, first=1.0, every=self.every)]


@dataclass(frozen=True, slots=True)
class Spread(PlanMaker):
    """An action so many times, spread over the time that the load takes."""

    action: faults.Action
    times: int

    def __call__(self, calm_seconds: float) -> list[Plan]:
        step = calm_seconds / (self.times + 1)
        return [Plan(self.action, first=step, every=step, times=self.times)]


@dataclass(frozen=True, slots=True)
class Storm(PlanMaker):
    """An action so many times, `every` seconds."""

    action: faults.Action
    times: int
    every: float

    def __call__(self, calm_seconds: float) -> list[Plan]:
        return [Plan(self.action, first=0.5, every=self.every, times=self.times)]


@dataclass(frozen=True, slots=True)
class At(PlanMaker):
    """An action at these seconds."""

    action: faults.Action
    seconds: tuple[float, ...]

    def __call__(self, calm_seconds: float) -> list[Plan]:
        return [Plan(self.action, first=second, every=1.0, times=1) for second in self.seconds]


@dataclass(frozen=True, slots=True)
class Together(PlanMaker):
    """Several at once."""

    makers: tuple[PlanMaker, ...]

    def __call__(self, calm_seconds: float) -> list[Plan]:
        return [plan for maker in self.makers for plan in maker(calm_seconds)]


KILLS = UntilDone(faults.kill_a_worker, KILL_EVERY_SECONDS)
RESTARTS = UntilDone(faults.restart_what_died, 1.0)
AS_C1 = Limits(repeats_share=0.01, times_calm=3.0, tail_seconds=LEASE_SECONDS + 2)


TIMERS, TIMERS_DUE_AFTER = 10_000, 60.0


def _numbered(number: int, begun_at: float) -> JSON:
    return {"number": number}


def _due_together(number: int, begun_at: float) -> JSON:
    return {"due": round(begun_at + TIMERS_DUE_AFTER)}


def _timers(name: str, title: str, limits: Limits, plans: PlanMaker) -> Scenario:
    return Scenario(
        name,
        title,
        {FULL: TIMERS},
        limits,
        plans,
        documents=(deep.timer(),),
        input_of=_due_together,
        laws=laws.TIMER_LAWS,
        measures=laws.TIMER_MEASURES,
        batch=1000,
    )


def _by_schedules(name: str, title: str, fires: Mapping[str, int], *, schedules: int, freeze: faults.Action, limits: Limits) -> Scenario:
    return Scenario(
        name,
        title,
        fires,
        limits,
        Together((UntilDone(faults.kill_a_beat, 5.0), At(freeze, (6.0,)))),
        documents=[{**deep.brief(), "name": f"Brief {number}"} for number in range(4)],
        laws=laws.SCHEDULE_LAWS,
        measures=laws.SCHEDULE_MEASURES,
        schedules=schedules,
        beats=3,
    )


def _points(probability: float) -> str:
    return ",".join(f"{point}={probability}" for point in ("claim.before", "claim.after", "effect.after", "settle.after"))


CALM = Scenario("C0", "no fault: the measure for the others", {FULL: 1000, CI: 200}, Limits(repeats=0), PlanMaker(), claims_once=True)

CATALOGUE = {
    scenario.name: scenario
    for scenario in (
        CALM,
        Scenario("C1", "kill -9 of a worker process group every 2 s", {FULL: 1000, CI: 200}, AS_C1, KILLS),
        Scenario(
            "C2",
            "children kill themselves at four points, 1 % each",
            {FULL: 1000, CI: 200},
            # One effect in a hundred is lost by the very rate of the point after the effect: twice that is the limit.
            Limits(repeats_share=0.02, times_calm=3.0),
            RESTARTS,
            fault_points=_points(0.01),
        ),
        Scenario(
            "C3",
            "workers frozen for 10 s, longer than a lease",
            {FULL: 1000, CI: 200},
            Limits(),
            Spread(faults.freeze_a_worker, 4),
            patience_seconds=faults.FREEZE_SECONDS + 5,
        ),
        Scenario("C4", "FLUSHALL three times", {FULL: 1000, CI: 200}, Limits(repeats=0, added_seconds=3.0), Spread(faults.flush_redis, 3)),
        Scenario(
            "C5",
            "PostgreSQL crashes three times",
            {FULL: 1000, CI: 200},
            Limits(repeats=5),
            Spread(faults.crash_postgres, 3),
            patience_seconds=LEASE_SECONDS + 5,
        ),
        Scenario(
            "C6",
            "Redis away for 2 s and back empty, twice",
            {FULL: 1000},
            Limits(repeats=0, start_seconds=1.0),
            Spread(faults.redis_away_with_starts, 2),
        ),
        Scenario(
            "C1-deep",
            "kill -9 every 2 s, with loops in loops, calls, events, delays and undoing",
            {FULL: 750, CI: 45},
            Limits(repeats_share=0.01, tail_seconds=LEASE_SECONDS + 4),
            KILLS,
            documents=(deep.deep(), deep.saga(), deep.deep()),
            called=(deep.child(),),
            input_of=_numbered,
            outcomes=laws.DEEP_OUTCOMES,
            laws=laws.DEEP_LAWS,
            sends_events=True,
        ),
        _by_schedules(
            "C9",
            "200 schedules a second each, three beats: one killed every 5 s, one frozen for 60 s",
            {FULL: 15_000},
            schedules=200,
            freeze=faults.FreezeABeat(60.0),
            limits=Limits(repeats=0, measures={"late_p99_seconds": 2.0}),
        ),
        _by_schedules(
            "C9-short",
            "40 schedules a second each, three beats: one killed every 5 s, one frozen for 5 s",
            {CI: 600},
            schedules=40,
            freeze=faults.FreezeABeat(5.0),
            limits=Limits(repeats=0),
        ),
        Scenario(
            "C12",
            "one execution in ten has a node that takes its process down",
            {FULL: 1000, CI: 90},
            Limits(repeats=0, others_times_calm=1.5, measures={"slowest_verdict_seconds": LEASE_SECONDS + 2}),
            PlanMaker(),
            documents=(*[load_a(IDEMPOTENT), load_a(EXTERNAL)] * 13, load_a(IDEMPOTENT), *[deep.poisoned(kind) for kind in deep.POISONS]),
            outcomes=laws.POISONED_FAIL,
            laws=laws.POISON_LAWS,
            measures=laws.POISON_MEASURES,
        ),
        Scenario(
            "C13",
            "joins of 50 and of 1,000 while workers are killed",
            {FULL: 105},
            Limits(repeats_share=0.01),
            KILLS,
            documents=(*[wide(50, IDEMPOTENT)] * 34, wide(1000, IDEMPOTENT)),
        ),
        Scenario(
            "C15",
            "100,000 executions that wait for their first message, then kill -9 every 2 s",
            {FULL: 100_000},
            Limits(repeats_share=0.01, sent_share=1.2, claim_p99_ms=50, sweeper_share=0.1),
            KILLS,
            documents=(deep.brief(),),
            is_backlog=True,
            batch=1000,
            time_limit=1500,
        ),
        _timers(
            "C16",
            "10,000 timers due in the same second, under kill -9 every 2 s and FLUSHALL three times",
            # How late they are tells of the workers that are missing meanwhile: what counts is that none is early, and none lost.
            Limits(repeats_share=0.01),
            Together((KILLS, At(faults.flush_redis, tuple(TIMERS_DUE_AFTER + seconds for seconds in (-5.0, 1.0, 4.0))))),
        ),
        _timers(
            "C16-late",
            "10,000 timers due in the same second, without faults: how late they are",
            # What can be done at 300 nodes a second, and three seconds: the node that waited goes on, then comes the one that leaves a row.
            Limits(repeats=0, measures={"late_p99_seconds": 2 * TIMERS / 300 + 3, "woken_p99_seconds": 3.0}),
            PlanMaker(),
        ),
        Scenario(
            "C17",
            "every message ten times, shuffled and late, and 1,000 forged ones",
            {FULL: 1000},
            Limits(repeats=0),
            PlanMaker(),
            extra_messages=10,
            forged_messages=1000,
            claims_once=True,
            time_limit=1200,
        ),
        Scenario(
            "C18",
            "500 SIGTERM and SIGQUIT at random instants",
            {FULL: 1000},
            Limits(repeats_share=0.02),
            Together((Storm(faults.signal_somebody, 500, 0.15), RESTARTS)),
            tops_up=True,
        ),
        Scenario(
            "C21",
            "somebody cancels, pauses or resumes one execution every 50 ms, while workers are killed every 2 s",
            {FULL: 1000, CI: 150},
            Limits(repeats_share=0.01),
            Together((KILLS, UntilDone(faults.act_on_one, 0.05))),
            documents=(*[load_a(IDEMPOTENT), load_a(EXTERNAL)] * 3, wide(2, SLOW), deep.deep(), deep.deep()),
            called=(deep.child(),),
            input_of=_numbered,
            sends_events=True,
            outcomes=laws.SUCCEED_OR_CANCELLED,
            laws=laws.STORM_LAWS,
            measures=laws.STORM_MEASURES,
        ),
        Scenario(
            "C24",
            "all of it: kills, self-kills at 0.3 %, FLUSHALL, crashes of PostgreSQL, Redis away",
            {FULL: 1000},
            Limits(repeats_share=0.02, times_calm=5.0),
            Together((KILLS, RESTARTS, Spread(faults.flush_redis, 2), Spread(faults.crash_postgres, 2), Spread(faults.redis_away, 1))),
            patience_seconds=LEASE_SECONDS + 5,
            fault_points=_points(0.003),
        ),
    )
}


def of_profile(profile: str) -> list[Scenario]:
    """The scenarios of a profile, in order; the calm run first."""
    return [scenario for scenario in CATALOGUE.values() if profile in scenario.executions]
