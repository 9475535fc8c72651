from tests.api.conftest import ada, anonymous, bob, operator  # noqa: F401  # the same people
