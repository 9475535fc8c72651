"""The short profile of the catalogue of faults: real workers and servers, up to 200 executions each. `make chaos` runs it at full size."""

import fcntl
import json
import subprocess
from typing import Any

import pytest

from tests.chaos.playing import play
from tests.chaos.processes import REPOSITORY, python
from tests.chaos.scenarios import CALM, CI, Scenario, of_profile

# A scenario waits for those that other test processes play.
pytestmark = [pytest.mark.chaos, pytest.mark.timeout(900)]

FAULTY = [scenario for scenario in of_profile(CI) if scenario is not CALM]


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory, testrun_uid: str) -> dict[str, Any]:
    """The run without faults, by whose time the others are measured; played once for all test processes."""
    kept = tmp_path_factory.getbasetemp().parent / f"calm-{testrun_uid}.json"
    with kept.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not kept.exists():
            kept.write_text(json.dumps(play(CALM, profile=CI)))
    return json.loads(kept.read_text())  # type: ignore[no-any-return]


def test_without_faults_every_node_runs_exactly_once(calm: dict[str, Any]) -> None:
    assert calm["failures"] == []


def test_those_who_wait_are_rows_and_nothing_else() -> None:
    done = subprocess.run(python("-m", "tests.chaos.crowd", "--profile", CI), cwd=REPOSITORY, capture_output=True, text=True)

    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("scenario", FAULTY, ids=[f"{scenario.name}: {scenario.title}" for scenario in FAULTY])
def test_every_execution_survives(scenario: Scenario, calm: dict[str, Any]) -> None:
    line = play(scenario, profile=CI, calm=calm)

    assert line["failures"] == []
