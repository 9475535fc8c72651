"""Settings of the test suite."""

from structforge.settings.base import *  # noqa: F403
