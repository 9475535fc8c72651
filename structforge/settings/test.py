"""Settings of the test suite."""

from structforge.settings.base import *  # noqa: F403

NODE_FUNCTION_MODULES = [*NODE_FUNCTION_MODULES, "tests.workers.functions"]  # noqa: F405
