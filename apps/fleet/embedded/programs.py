import signal
import subprocess
from dataclasses import dataclass
from typing import IO

from apps.fleet.embedded.lifeline import signal_when_parent_dies


@dataclass(frozen=True)
class Program:
    """How to start a server as a child in the foreground, and how to ask it to stop."""

    args: tuple[str, ...]
    stop_signal: signal.Signals
    user: int | None = None
    """User and group to become; None to stay who we are."""

    def launch(self, output: int | IO[bytes] | None) -> subprocess.Popen[bytes]:
        """Start it in a session of its own; it is asked to stop when we are gone. `output` takes what it prints, None lets it use ours."""
        return subprocess.Popen(
            self.args,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=None if output is None else subprocess.STDOUT,
            user=self.user,
            group=self.user,
            extra_groups=None if self.user is None else [],
            start_new_session=True,  # Ctrl-C goes to the supervisor alone, which stops things in order
            preexec_fn=signal_when_parent_dies(self.stop_signal),  # noqa: PLW1509 (async-signal-safe but for the interpreter; servers start before threads)
        )
