"""Take the same measure of several candidates in turn, so that a slow minute of the machine falls on all of them."""

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

Measure = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Sample:
    """What repeats of one candidate gave, in the order in which they were taken."""

    values: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def spread(self) -> str:
        """Lowest and highest, for the table."""
        return f"{min(self.values):.3g}–{max(self.values):.3g}"


def interleave(candidates: Mapping[str, Measure], *, repeats: int, warm_ups: int = 1) -> dict[str, Sample]:
    """{name: sample}: a, b, c, a, b, c …; the first `warm_ups` rounds are thrown away."""
    values: dict[str, list[float]] = {name: [] for name in candidates}
    for number in range(warm_ups + repeats):
        for name, measure in candidates.items():
            value = measure()
            if number >= warm_ups:
                values[name].append(value)
    return {name: Sample(tuple(taken)) for name, taken in values.items()}


def seconds_of(action: Callable[[], object]) -> float:
    """How long `action` takes."""
    begun = time.perf_counter()
    action()
    return time.perf_counter() - begun
