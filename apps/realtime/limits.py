"""How much one connection may say."""

import time
from collections.abc import Callable


class RateLimit:
    """A bucket of `burst` messages that fills again by `per_second`.

    Source: token bucket, RFC 2697 §3.
    """

    def __init__(self, *, burst: int, per_second: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._burst, self._per_second, self._clock = burst, per_second, clock
        self._left, self._since = float(burst), clock()

    def allows(self) -> bool:
        now = self._clock()
        self._left = min(self._burst, self._left + (now - self._since) * self._per_second)
        self._since = now
        if self._left < 1:
            return False
        self._left -= 1
        return True
