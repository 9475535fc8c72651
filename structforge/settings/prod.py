"""Settings of an installation that others use: nothing has a default that could be a secret."""

from structforge.settings.base import *  # noqa: F403
