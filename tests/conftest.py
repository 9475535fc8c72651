import math
import os

import django
import hypothesis
import pytest

from tests import services

services.start()
django.setup()

from django.conf import settings  # noqa: E402  # these need settings
from django.test import TransactionTestCase  # noqa: E402
from redis import Redis  # noqa: E402

from apps.core import quotas  # noqa: E402
from apps.engine.outcomes import Failed  # noqa: E402
from apps.executions import backlog  # noqa: E402
from apps.executions.connection import close_pool  # noqa: E402
from apps.nodes.contract import RunContext  # noqa: E402
from apps.nodes.execute import perform  # noqa: E402
from apps.nodes.registry import get_type  # noqa: E402
from tests import database  # noqa: E402

TransactionTestCase._fixture_teardown = lambda self: database.empty()
redis = Redis.from_url(settings.REDIS_URL)

# How long an example takes tells of the machine, not of the code.
hypothesis.settings.register_profile("unhurried", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("unhurried")


def pytest_configure(config):
    """Under xdist, let no worker process find settings to read before it has started its own Valkey and named it in its environment."""
    if getattr(config.option, "numprocesses", None):
        del os.environ["DJANGO_SETTINGS_MODULE"]


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup, django_db_blocker):
    """The engine's own connections must be gone before the test database can be."""
    with django_db_blocker.unblock():
        database.remember()
    yield
    close_pool()


@pytest.fixture(autouse=True)
def _empty_redis(monkeypatch):
    """Messages that other tests sent, and no worker took, would be a backlog; and calls that they made, counted against limits."""
    redis.flushall()
    monkeypatch.setattr(backlog, "_room", backlog.Room())


@pytest.fixture(autouse=True)
def _no_limits(monkeypatch):
    """A process reads the limits again every few seconds; whoever counts statements must not meet that moment."""
    monkeypatch.setattr(quotas, "_kept", (math.inf, {}))


@pytest.fixture(scope="session")
def shell_sandbox():
    """The kernel lets scripts be fenced in; some forbid user namespaces to ordinary users, and what needs them is skipped there."""
    outcome = perform(get_type("code.shell"), {"script": "true"}, RunContext(execution_id="e", workspace_id="w", key="shell"))
    if isinstance(outcome, Failed) and outcome.error.code == "sandbox_unavailable":
        pytest.skip(f"No sandbox for shell scripts here: {outcome.error.message}")
