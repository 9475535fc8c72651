"""One scenario, in a process of its own: `python -m tests.chaos.run C1 --profile ci --executions 200 --calm-seconds 9.5`.

Prints one JSON line. Exit code 0: it reached the numbers; 1: it did not; anything else: it could not be run.
"""

import argparse
import json
import os
import random
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import django

from tests.chaos.processes import STATE
from tests.chaos.scenarios import CATALOGUE, LEASE_SECONDS, Calm, Scenario
from tests.chaos.stack import Stack, WorkerKind

WORKERS, CONCURRENCY = 3, 3
STOP_SECONDS = 3


def stack_for(scenario: Scenario, folder: Path) -> Stack:
    """The private installation of a scenario: 3 workers of 3 processes, two sweepers or more, a short lease."""
    return Stack(
        folder=folder,
        workers_wanted=(WorkerKind(WORKERS, CONCURRENCY, environment={"STRUCTFORGE_FAULT_POINTS": scenario.fault_points}),),
        beats_wanted=scenario.beats,
        environment={
            "NODE_FUNCTION_MODULES": "tests.chaos.functions",
            "ENGINE_LEASE_SECONDS": str(LEASE_SECONDS),
            "WORKER_STOP_SECONDS": str(STOP_SECONDS),
            **({"CHAOS_TIMINGS": str(folder / "timings")} if scenario.limits.claim_p99_ms is not None else {}),
        },
    )


def run(scenario: Scenario, *, profile: str, executions: int, calm: Calm, folder: Path, seed: int) -> int:
    """Start, load, break, mend, check. Returns the exit code."""
    stack = stack_for(scenario, folder)
    try:
        stack.start(with_workers=not scenario.is_backlog)
        os.environ.update(stack.variables)
        django.setup()
        from tests.chaos.round import Round  # noqa: PLC0415  # needs the settings, which name this stack's servers

        the_round = Round(scenario, stack, executions=executions, calm=calm, seed=seed)
        the_round.play()
        result = the_round.judge(profile=profile)
    finally:
        stack.stop()
    line = result.line()
    print(json.dumps(line), flush=True)
    return 0 if line["verdict"] == "pass" else 1


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.run", description=__doc__)
    parser.add_argument("scenario", choices=sorted(CATALOGUE))
    parser.add_argument("--profile", default="full")
    parser.add_argument("--executions", type=int)
    parser.add_argument("--calm-seconds", type=float)
    parser.add_argument("--calm-p99", type=float)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args(argv)
    scenario = CATALOGUE[options.scenario]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("told to stop"))  # so that the stack is taken down
    signal.signal(signal.SIGQUIT, signal.SIG_DFL)  # a shell that runs this in the background has it ignored, and workers would inherit that
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(10**6)
    print(f"{scenario.name}: seed {seed}", file=sys.stderr)
    return run(
        scenario,
        profile=options.profile,
        executions=options.executions or scenario.executions.get(options.profile, 200),
        calm=Calm(options.calm_seconds, options.calm_p99),
        folder=options.folder.resolve() if options.folder else STATE / "chaos" / scenario.name,
        seed=seed,
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
