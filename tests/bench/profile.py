"""A worker of one thread under cProfile, while a workload runs on it."""

import os
import pstats
import sys
from pathlib import Path

import django

from tests.bench.platform import Platform
from tests.chaos.processes import Process, python
from tests.chaos.stack import ALL_QUEUES, CELERY, QUIET

ROUNDS = 10
SHOWN = 45


def profile(workload: str, *, folder: Path) -> int:
    """Run the external form of `workload` on one profiled worker, and print the functions that took most time of their own."""
    platform = Platform(folder, runs_up=False)
    dump = folder / f"{workload}.prof"
    try:
        os.environ.update(platform.start())
        worker = _profiled_worker(platform, dump)
        worker.start()
        django.setup()
        from tests.bench import our_runs, shapes  # noqa: PLC0415  # these need the settings, which name this platform's servers
        from tests.chaos.publishing import publish  # noqa: PLC0415

        documents = {
            "W1": shapes.chain(shapes.IDEMPOTENT, 40),
            "W2": shapes.fan(shapes.IDEMPOTENT, 200),
            "W3": shapes.chain(shapes.PURE, 3),
        }
        (workflow,) = publish([documents[workload]])
        for _ in range(ROUNDS):
            our_runs.run_seconds(workflow)
        worker.stop(30)
    finally:
        platform.stop()
    pstats.Stats(str(dump), stream=sys.stdout).sort_stats("tottime").print_stats(SHOWN)
    return 0


def _profiled_worker(platform: Platform, dump: Path) -> Process:
    command = [*CELERY, "worker", "-n", "profiled@%h", "-P", "solo", "-Q", ALL_QUEUES, "-l", "warning", *QUIET]
    args = python("-m", "cProfile", "-o", str(dump), *command)
    worker = Process("profiled", args, platform.stack.variables, platform.stack.logs / "profiled.log")
    platform.stack.others.append(worker)
    return worker
