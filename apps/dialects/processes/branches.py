"""Which steps lie between a parallel gateway and the place where its ways meet."""

from collections.abc import Mapping, Sequence

from apps.dialects.processes.gateways import join_of


class Branches:
    """The branches of all parallel gateways of a process.

    followers   {step: steps that come next}
    gateways    {gateway: (its parallel tasks, its next)}
    """

    def __init__(self, followers: Mapping[str, Sequence[str]], gateways: Mapping[str, tuple[Sequence[str], Sequence[str]]]) -> None:
        self._gateways = gateways
        self._after = {gateway: _reached(followers, after, set()) for gateway, (_, after) in gateways.items()}
        self._members = {gateway: _reached(followers, tasks, self._after[gateway]) for gateway, (tasks, _) in gateways.items()}

    def destination(self, step: str, target: str) -> str:
        """Where a way really leads: a branch that goes on to what follows its gateway goes to where the branches meet first."""
        found = [gateway for gateway in self._around(step) if target in self._after[gateway]]
        return join_of(found[0]) if found else target

    def is_after(self, gateway: str, task: str) -> bool:
        """Whether a parallel task comes after the place where its own branches meet, which cannot be."""
        return task in self._after[gateway]

    def around(self, step: str) -> str | None:
        """Where a branch meets the others that ends with this step; None outside branches."""
        return next((join_of(gateway) for gateway in self._around(step)), None)

    def exit_of(self, step: str) -> str:
        """The node by which a step is left at last."""
        return join_of(step) if step in self._gateways else step

    def _around(self, step: str) -> list[str]:
        """Gateways whose branches hold a step, the innermost first."""
        found = [gateway for gateway, members in self._members.items() if step in members]
        return sorted(found, key=lambda gateway: len(self._members[gateway]))


def _reached(followers: Mapping[str, Sequence[str]], first: Sequence[str], after: set[str]) -> set[str]:
    seen = set(first) - after
    waiting = list(seen)
    while waiting:
        new = set(followers.get(waiting.pop(), ())) - seen - after
        seen |= new
        waiting += new
    return seen
