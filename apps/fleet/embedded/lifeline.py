"""No process outlives the one that started it, even when that one is killed with -9."""

import ctypes
import os
import signal
import sys
from collections.abc import Callable

PR_SET_PDEATHSIG = 1
PARENT_IS_GONE = 1

_prctl = ctypes.CDLL(None, use_errno=True).prctl if sys.platform == "linux" else None


def signal_when_parent_dies(signum: signal.Signals) -> Callable[[], None]:
    """Make the function for `preexec_fn` that has the kernel send `signum` to the child once its parent is gone.

    The kernel watches the parent's *thread*: start children from a thread that lives as long as the process.
    It forgets the request when the process changes its user; Popen changes users before it calls this.
    Elsewhere than on Linux there is no such request; a leftover server is then stopped by the next start.
    """
    parent = os.getpid()

    def ask() -> None:
        if _prctl is not None:
            _prctl(PR_SET_PDEATHSIG, int(signum), 0, 0, 0)
        if os.getppid() != parent:
            os._exit(PARENT_IS_GONE)  # it died before the request

    return ask
