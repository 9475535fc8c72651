"""Settings of a machine of one's own: `make run`."""

from structforge.settings.base import *  # noqa: F403
