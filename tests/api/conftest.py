import pytest

from apps.accounts.actions import create_user
from tests.api.clients import ApiClient, client_of


@pytest.fixture
def anonymous() -> ApiClient:
    return ApiClient()


@pytest.fixture
def ada(db) -> ApiClient:
    """A logged-in person, with a workspace of her own."""
    return client_of(create_user(username="ada", password=None))


@pytest.fixture
def bob(db) -> ApiClient:
    """Another one."""
    return client_of(create_user(username="bob", password=None))


@pytest.fixture
def operator(db) -> ApiClient:
    return client_of(create_user(username="operator", password=None, is_superuser=True))
