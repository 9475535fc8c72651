"""Python's garbage collector, for processes that load much and then serve for long.

A full collection looks at everything that was loaded: over a tenth of a second in a worker, and Celery runs one before each fork.
"""

import gc

# Modules make objects by the hundred thousand and no garbage: with Python's own 700, start-up spends a seventh of its time looking.
YOUNG_OBJECTS = 20_000


def collect_seldom() -> None:
    """Look for garbage among new objects only once there are many of them."""
    gc.set_threshold(YOUNG_OBJECTS, 10, 10)


def freeze_what_is_loaded() -> None:
    """Never look again at what there is by now. Memory that was shared before a fork stays shared, too, since nobody writes to it."""
    gc.collect()
    gc.freeze()
