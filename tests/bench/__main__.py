"""`python -m tests.bench [W1 W2 …] [--repeats 9]`: measure, print the table, write `bench.json` in the state folder.

`--breakdown` also times the parts of one step; `--profile W1` runs a workload under the profiler and prints where the time goes.
"""

import argparse
import os
import sys
from collections.abc import Sequence

import django

from tests.bench.platform import Platform
from tests.bench.table import Row, text, write
from tests.chaos.processes import STATE

NAMES = ("W1", "W2", "W3", "W4", "W5", "W6", "hooks", "loops", "crowd")


def measure(names: Sequence[str], *, repeats: int, breakdown: bool) -> list[Row]:
    """Start both sides, measure, stop."""
    platform = Platform(STATE / "bench")
    try:
        os.environ.update(platform.start())
        django.setup()
        from tests.bench.breakdown import parts_of_a_step  # noqa: PLC0415  # these need the settings, which name this platform's servers
        from tests.bench.workloads import WORKLOADS  # noqa: PLC0415
        from tests.chaos.publishing import OPERATOR, ensure_operator  # noqa: PLC0415

        ensure_operator()
        platform.log_in(OPERATOR)
        rows = []
        for name in (name for name in WORKLOADS if name in names):
            print(f"{name} …", file=sys.stderr, flush=True)
            rows += WORKLOADS[name](platform, repeats)
        if breakdown:
            print(parts_of_a_step())
    finally:
        platform.stop()
    return rows


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("workloads", nargs="*", metavar="workload", help=f"of {', '.join(NAMES)}; none: all")
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--breakdown", action="store_true")
    parser.add_argument("--profile", metavar="WORKLOAD", choices=NAMES[:3])
    options = parser.parse_args(argv)
    if unknown := sorted(set(options.workloads) - set(NAMES)):
        parser.error(f"no such workload: {', '.join(unknown)}; there are {', '.join(NAMES)}")
    if options.profile:
        from tests.bench.profile import profile  # noqa: PLC0415  # only then

        return profile(options.profile, folder=STATE / "bench")
    rows = measure(options.workloads or NAMES, repeats=options.repeats, breakdown=options.breakdown)
    rows.sort(key=lambda row: row.what)
    print(text(rows))
    write(rows, STATE / "bench.json")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
