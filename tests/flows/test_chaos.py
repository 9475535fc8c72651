"""The short profile of the catalogue of faults: real workers, real servers, 200 executions each. `make chaos` runs it at full size."""

from typing import Any

import pytest

from tests.chaos.playing import play
from tests.chaos.scenarios import CALM, CI, Scenario, of_profile

pytestmark = [pytest.mark.chaos, pytest.mark.xdist_group("chaos"), pytest.mark.timeout(300)]

FAULTY = [scenario for scenario in of_profile(CI) if scenario is not CALM]


@pytest.fixture(scope="module")
def calm() -> dict[str, Any]:
    """The run without faults, by whose time the others are measured."""
    return play(CALM, profile=CI)


def test_without_faults_every_node_runs_exactly_once(calm: dict[str, Any]) -> None:
    assert calm["failures"] == []


@pytest.mark.parametrize("scenario", FAULTY, ids=[f"{scenario.name}: {scenario.title}" for scenario in FAULTY])
def test_every_execution_survives(scenario: Scenario, calm: dict[str, Any]) -> None:
    line = play(scenario, profile=CI, calm_seconds=calm["seconds"])

    assert line["failures"] == []
