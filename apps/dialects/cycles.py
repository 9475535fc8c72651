"""Ways that come back to where they began."""

from collections.abc import Iterable, Mapping
from graphlib import CycleError, TopologicalSorter

_SHOWN = 20


def find_cycle(followers: Mapping[str, Iterable[str]]) -> list[str] | None:
    """One cycle, its first name again at its end; None where there is none.

    followers   {name: names of what comes after it}
    """
    before: dict[str, list[str]] = {name: [] for name in followers}
    for name, after in followers.items():
        for each in after:
            before.setdefault(each, []).append(name)
    try:
        TopologicalSorter(before).prepare()
    except CycleError as error:
        cycle: list[str] = error.args[1]
        return cycle
    return None


def shown(cycle: list[str]) -> str:
    """a -> b -> a, shortened where it is long."""
    return " -> ".join(cycle if len(cycle) <= _SHOWN else [*cycle[: _SHOWN - 1], "…", cycle[-1]])
