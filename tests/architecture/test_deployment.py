"""What stands in deployment files and pages is what the code does."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from apps.engine.validation import validate
from apps.fleet.fleets import FLEETS
from apps.nodes import registry

ROOT = Path(__file__).resolve().parent.parent.parent
GOOD = {"SECRET_KEY": "s" * 20 + "7" * 20, "JWT_SECRET": "j" * 20 + "7" * 20, "ALLOWED_HOSTS": "flows.test"}


def compose() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    return document


@pytest.mark.parametrize("fleet", FLEETS, ids=lambda fleet: fleet.name)
def test_compose_starts_each_fleet_as_the_supervisor_does(fleet: Any):
    command = compose()["services"][fleet.process_name]["command"]
    assert command == ["celery", "-A", "structforge", *fleet.arguments(log_level="INFO")]


def test_the_page_on_running_names_the_queues_of_each_fleet():
    page = (ROOT / "docs" / "running.md").read_text()
    for fleet in FLEETS:
        assert f"--pool={fleet.pool} --concurrency={fleet.concurrency} --queues={','.join(fleet.queues)}" in page


def test_the_workflow_in_the_readme_is_valid():
    (block,) = re.findall(r"```json\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    registry.load()
    assert validate(json.loads(block), registry.all_types()).warnings == ()


def test_both_locks_pin_the_same_versions_with_hashes():
    def pins(name: str) -> dict[str, str]:
        return dict(re.findall(r"^([a-z0-9-]+)(?:\[.*?\])?==(\S+)", (ROOT / name).read_text(), re.MULTILINE))

    run, develop = pins("requirements.lock"), pins("requirements-dev.lock")
    assert len(run) > 50
    assert {name: develop.get(name) for name in run} == run
    text = (ROOT / "requirements-dev.lock").read_text()
    assert text.count("--hash=sha256:") >= len(develop)
    assert "://" not in re.sub(r"^ *#.*$", "", text, flags=re.MULTILINE), "a lock names no place to download from"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"SECRET_KEY": ""}, "SECRET_KEY has 0 characters"),
        ({"SECRET_KEY": "short"}, "SECRET_KEY has 5 characters"),
        ({"SECRET_KEY": "change-me-change-me-change-me-change-me"}, "SECRET_KEY looks like a placeholder"),
        ({"JWT_SECRET": ""}, "JWT_SECRET has 0 characters"),
        ({"ALLOWED_HOSTS": ""}, "ALLOWED_HOSTS is \\[\\]"),
        ({"ALLOWED_HOSTS": "*"}, "ALLOWED_HOSTS is \\['\\*'\\]"),
        ({"DEBUG": "true"}, "DEBUG is set"),
    ],
)
def test_production_refuses_to_start_with(change: dict[str, str], message: str):
    done = load_production_settings({**GOOD, **change})
    assert done.returncode != 0
    assert re.search(message, done.stderr), done.stderr


def test_production_starts_with_secrets_and_hosts():
    done = load_production_settings(GOOD)
    assert done.returncode == 0, done.stderr


def load_production_settings(variables: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-c", "import structforge.settings.prod"]
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "structforge.settings.prod", **variables}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
