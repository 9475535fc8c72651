"""A pipe whose other end only the supervisor holds: when it goes, however it goes, the kernel closes it and kills the rest."""

import fcntl
import os
import select
import signal
import threading


class Lifeline:
    """Held by the supervisor; each forked child ties its process group to it."""

    def __init__(self) -> None:
        self._watched, self._held = os.pipe()

    def tie_group(self) -> None:
        """To be called in a child that leads its process group: kill the whole group once the supervisor is gone."""
        os.close(self._held)
        if hasattr(fcntl, "F_SETSIG"):
            watched = os.open(f"/proc/self/fd/{self._watched}", os.O_RDONLY | os.O_NONBLOCK)  # owner and signal belong to one opening
            os.close(self._watched)
            fcntl.fcntl(watched, fcntl.F_SETOWN, -os.getpid())
            fcntl.fcntl(watched, fcntl.F_SETSIG, signal.SIGKILL)
            fcntl.fcntl(watched, fcntl.F_SETFL, os.O_NONBLOCK | os.O_ASYNC)
            if select.select([watched], [], [], 0)[0]:  # it went before the kernel was asked
                _kill_group()
        else:
            threading.Thread(target=_kill_group_at_end_of, args=(self._watched,), name="lifeline", daemon=True).start()


def _kill_group_at_end_of(descriptor: int) -> None:
    os.read(descriptor, 1)
    _kill_group()


def _kill_group() -> None:
    os.killpg(0, signal.SIGKILL)
