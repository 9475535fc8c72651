"""`python -m tests.chaos [--profile ci|full] [scenario …]`: scenarios one after the other, each in a process of its own.

One JSON line each is printed and appended to `chaos.jsonl` in the state folder. Exit code 0 when all reached their numbers.
"""

import argparse
import sys
from collections.abc import Sequence

from tests.chaos.playing import play_all
from tests.chaos.scenarios import CATALOGUE, CI, FULL, of_profile


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("scenarios", nargs="*", metavar="scenario", help=f"of {', '.join(CATALOGUE)}; none: all of the profile")
    parser.add_argument("--profile", choices=[CI, FULL], default=FULL)
    parser.add_argument("--executions", type=int, help="instead of the number of the profile")
    options = parser.parse_args(argv)
    if unknown := sorted(set(options.scenarios) - set(CATALOGUE)):
        parser.error(f"no such scenario: {', '.join(unknown)}; there are {', '.join(CATALOGUE)}")
    scenarios = [CATALOGUE[name] for name in options.scenarios] or of_profile(options.profile)
    lines = play_all(scenarios, profile=options.profile, executions=options.executions)
    failed = [line["scenario"] for line in lines if line["verdict"] != "pass"]
    print(f"{len(lines) - len(failed)} of {len(lines)} scenarios reached their numbers" + (f"; not: {', '.join(failed)}" if failed else ""))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
