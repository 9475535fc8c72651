import django
import pytest

from tests import services

services.start()
django.setup()

from apps.executions.connection import close_pool  # noqa: E402  # needs settings


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup):
    """The engine's own connections must be gone before the test database can be."""
    yield
    close_pool()
