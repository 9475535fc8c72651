"""What a run came to: one JSON line, and whether it reached the numbers."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from tests.chaos.checker import Findings
from tests.chaos.faults import Fault
from tests.chaos.scenarios import FULL, Calm, Scenario


@dataclass
class Result:
    """A run of one scenario.

    seconds        from the first start to the end of the last execution
    calm           the run without faults; it has nothing when this is that run
    actions        what people did: {"cancel": count, …}
    p99_seconds    from start to end of an execution
    claims         seconds of each claim, ascending; empty where they were not timed
    sweeper_share   of one core, by each beat
    faults_left    faults of the plan that the load did not last for
    """

    scenario: Scenario
    profile: str
    seconds: float
    calm: Calm
    findings: Findings
    faults: Sequence[Fault]
    faults_left: int
    decisions: dict[str, int]
    slowest_start_seconds: float
    starts_while_redis_was_away: Sequence[float]
    extra_claims: int | None
    messages_sent: int
    actions: Mapping[str, int]
    p99_seconds: float
    claims: Sequence[float]
    sweeper_share: float
    not_stopped: Sequence[str]
    at: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))

    @property
    def kills(self) -> int:
        return sum("killed" in fault.kind for fault in self.faults) + int(self.findings.counts["self_kills"])

    @property
    def tail_seconds(self) -> float | None:
        if not self.faults:
            return None
        return float(self.findings.counts["last_finished"]) - max(fault.until for fault in self.faults)

    @property
    def sent_share(self) -> float:
        return 1 + int(self.findings.counts["sent_again"]) / max(1, int(self.findings.counts["nodes"]))

    @property
    def claim_p99_ms(self) -> float | None:
        return 1000 * self.claims[int(len(self.claims) * 0.99)] if self.claims else None

    def failures(self) -> list[str]:
        """Sentences about every number that was not reached; empty when the run passes."""
        laws = [f"{law}: {len(self.findings.laws[law])} violations, such as {cases[0]}" for law, cases in self.findings.violations.items()]
        return laws + self._over_limits()

    def _over_limits(self) -> list[str]:
        limits = self.scenario.limits
        measured: list[tuple[str, float | None, float | None]] = [("repeated effects", self.findings.repeated_effects, limits.repeats)]
        # The short profile is a test, on a machine that others use: a run that takes longer there also meets more kills.
        if self.profile == FULL:
            measured += self._rates()
        found = [f"{what}: {value:.4g}, more than {limit:g}" for what, value, limit in measured if _is_over(value, limit)]
        if self.faults_left:
            found.append(f"{self.faults_left} faults were left when the load was done")
        if self.scenario.claims_once and self.extra_claims:
            found.append(f"{self.extra_claims} node runs were claimed more than once")
        if limits.start_seconds is not None and not self.starts_while_redis_was_away:
            found.append("no start was tried while Redis was away")
        if self.not_stopped:
            found.append(f"did not stop when asked: {', '.join(self.not_stopped)}")
        return found

    def _rates(self) -> Iterator[tuple[str, float | None, float | None]]:
        limits, effects = self.scenario.limits, max(1, int(self.findings.counts["effects"]))
        yield "share of repeated effects", self.findings.repeated_effects / effects, limits.repeats_share
        yield "starts while Redis was away, slowest, seconds", max(self.starts_while_redis_was_away, default=None), limits.start_seconds
        yield "seconds from the last fault to the end", self.tail_seconds, limits.tail_seconds
        yield "node runs pointed at, per node run", self.sent_share, limits.sent_share
        yield "p99 of claims, ms", self.claim_p99_ms, limits.claim_p99_ms
        yield "share of a core that sweeping takes", self.sweeper_share, limits.sweeper_share
        for name, limit in limits.measures.items():
            yield name, self.findings.measures[name], limit
        if self.calm.seconds:
            yield "time in times of the calm run", self.seconds / self.calm.seconds, limits.times_calm
            added = (self.seconds - self.calm.seconds) / max(1, len(self.faults))
            yield "seconds added by each fault", added, limits.added_seconds
        if self.calm.p99_seconds and limits.others_times_calm is not None:
            others = (self.findings.measures["others_p99_seconds"] or 0.0) / self.calm.p99_seconds
            yield "p99 of the others, in times of the calm run", others, limits.others_times_calm

    def line(self) -> dict[str, Any]:
        """What is appended to the record of runs."""
        failures = self.failures()
        return {
            "at": self.at,
            "scenario": self.scenario.name,
            "title": self.scenario.title,
            "profile": self.profile,
            "verdict": "fail" if failures else "pass",
            "failures": failures,
            "seconds": round(self.seconds, 1),
            "calm_seconds": round(self.calm.seconds, 1) if self.calm.seconds else None,
            "p99_seconds": round(self.p99_seconds, 2),
            "tail_seconds": round(self.tail_seconds, 1) if self.tail_seconds is not None else None,
            **{name: value for name, value in self.findings.counts.items() if name != "last_finished"},
            "repeats": self.findings.repeated_effects,
            "kills": self.kills,
            "faults": dict(Counter(fault.kind for fault in self.faults)),
            "faults_left": self.faults_left,
            "late_outcomes_refused": self.findings.refusals,
            "decisions": self.decisions,
            "extra_claims": self.extra_claims,
            "messages_sent": self.messages_sent,
            "slowest_start_seconds": round(self.slowest_start_seconds, 3),
            "starts_while_redis_was_away": [round(seconds, 3) for seconds in self.starts_while_redis_was_away],
            "sent_share": round(self.sent_share, 3),
            "claim_p99_ms": round(self.claim_p99_ms, 1) if self.claim_p99_ms is not None else None,
            "sweeper_share": round(self.sweeper_share, 3),
            "actions": dict(self.actions),
            **self.findings.measures,
            "limits": {name: limit for name, limit in asdict(self.scenario.limits).items() if limit},
        }


def _is_over(value: float | None, limit: float | None) -> bool:
    return value is not None and limit is not None and value > limit
