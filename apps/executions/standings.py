"""What each node of an execution has come to, in words and colours, for the picture of it."""

from collections.abc import Callable, Mapping
from typing import Any

from apps.engine.statuses import SETTLED_NODE_RUN
from apps.executions.looks import LOOKS
from apps.executions.tallies import Tally
from apps.workflows.lettering import width_of
from apps.workflows.picture import DETAIL_SIZE, Standing

# A node of a loop looks like the worst of its runs: what failed or needs somebody comes before what goes on, and that before what is over.
WORST_FIRST = ("failed", "uncertain", "retrying", "waiting", "queued", "running", "pending", "cancelled", "success", "skipped")
# Where several are counted, the good ones are said first, then the worst.
_SAID_FIRST = ("success", *(status for status in WORST_FIRST if status != "success"))
_WORDS = {"success": "ok"}
_ROOM = 118  # pixels in a box, beside the icon

Url = Callable[[str, Tally], str]


def standings_of(
    definition: Mapping[str, Any], tallies: Mapping[str, Tally], *, is_over: bool, url: Url, iterations_url: Callable[[str], str]
) -> Mapping[str, Standing]:
    """{node key: standing} of the nodes that have begun.

    is_over         the execution has ended
    url             address of the run of a node, or of the list of its runs
    iterations_url  address of the list of iterations of a loop
    """
    parents = {node["key"]: node.get("parent") for node in definition["nodes"]}
    return {
        key: _standing(
            tally,
            is_settled=is_over or _is_settled(key, tallies, parents),
            url=url(key, tally),
            iterations_url=iterations_url(key) if tally.iterations else "",
        )
        for key, tally in tallies.items()
        if tally.runs and key in parents
    }


def _standing(tally: Tally, *, is_settled: bool, url: str, iterations_url: str) -> Standing:
    worst = min(tally.runs, key=WORST_FIRST.index)
    counts = {status: tally.runs[status] for status in _SAID_FIRST if tally.runs[status]}
    return Standing(
        look=LOOKS[worst],
        words=_said(counts) if tally.is_repeated else LOOKS[worst].label,
        short=_short(counts, worst) if tally.is_repeated else LOOKS[worst].label,
        ports=frozenset(tally.ports - {None}),
        is_settled=is_settled,
        url=url,
        iterations=_progress(tally),
        failures=f"{tally.iterations['failed']:,} failed" if tally.iterations["failed"] else "",
        iterations_url=iterations_url,
    )


def _is_settled(key: str | None, tallies: Mapping[str, Tally], parents: Mapping[str, str | None]) -> bool:
    """All of its runs have settled, and no loop around it will begin another."""
    return key is None or (_has_settled(tallies.get(key)) and _is_settled(parents[key], tallies, parents))


def _has_settled(tally: Tally | None) -> bool:
    return tally is not None and tally.runs.keys() <= SETTLED_NODE_RUN


def _said(counts: Mapping[str, int]) -> str:
    return " · ".join(f"{number:,} {_WORDS.get(status, status)}" for status, number in counts.items())


def _short(counts: Mapping[str, int], worst: str) -> str:
    """As much as there is room for; the worst always."""
    ok = {"success": counts["success"]} if "success" in counts else {}
    tries = [_said(counts), _said(ok | {worst: counts[worst]}), f"{_said({worst: counts[worst]})} of {sum(counts.values()):,}"]
    return next((each for each in tries if width_of(each, DETAIL_SIZE) <= _ROOM), _said({worst: counts[worst]}))


def _progress(tally: Tally) -> str:
    """How many iterations of a loop have ended, of how many; cancelled ones have not been done."""
    if tally.total is None:
        return ""
    total = max(tally.total, tally.iterations.total())
    done = tally.iterations["success"] + tally.iterations["failed"]
    return f"{done:,} of {total:,} done" if total else "no iterations"
