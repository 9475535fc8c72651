"""Points at which a test may have this process die: `STRUCTFORGE_FAULT_POINTS="claim.after=0.01,settle.after=0.01"`."""

import os
import random
import signal


def _parse(text: str) -> dict[str, float]:
    pairs = (part.split("=") for part in text.split(",") if part)
    return {name.strip(): float(probability) for name, probability in pairs}


_POINTS = _parse(os.environ.get("STRUCTFORGE_FAULT_POINTS", ""))


def point(name: str) -> None:
    """Die here, as by `kill -9`, with the probability that the environment gives this point; without one, do nothing."""
    if _POINTS and random.random() < _POINTS.get(name, 0.0):
        os.kill(os.getpid(), signal.SIGKILL)
