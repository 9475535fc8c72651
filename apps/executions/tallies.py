"""How far each node of an execution has come, loops included: counted by PostgreSQL in one statement, however many node runs there are."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.db.models import CharField, Count, IntegerField, Max, QuerySet, Sum, Value

from apps.accounts.models import User
from apps.executions.models import Iteration, LoopRun, NodeRun

_NAMES = ("what", "key", "status", "port", "number", "newest", "longest_path")


@dataclass(slots=True)
class Tally:
    """What a node has come to.

    runs         {status of a node run: how many of them}
    ports        of all of its outcomes
    newest       id of the newest node run; None where there is none
    is_repeated  it is in a loop
    iterations   of a loop: {status of an iteration: how many}, of all of its node runs
    total        of a loop: iterations that there are to be, as far as is known; None of another node, and before it has begun to loop
    """

    runs: Counter[str] = field(default_factory=Counter)
    ports: set[str | None] = field(default_factory=set)
    newest: int | None = None
    is_repeated: bool = False
    iterations: Counter[str] = field(default_factory=Counter)
    total: int | None = None


def tallies_of(user: User, execution_id: UUID) -> Mapping[str, Tally]:
    """{node key: tally} of what has begun, as far as `user` may see it."""
    tallies: dict[str, Tally] = defaultdict(Tally)
    for what, key, status, port, number, newest, longest_path in _rows(user, execution_id):
        tally = tallies[key]
        if what == "run":
            tally.runs[status] += number
            tally.ports.add(port)
            tally.newest = max(newest, tally.newest or 0)
            tally.is_repeated |= longest_path != ""
        elif what == "iteration":
            tally.iterations[status] += number
        else:
            tally.total = number
    return tallies


def _rows(user: User, execution_id: UUID) -> QuerySet[Any, Any]:
    node_runs = NodeRun.objects.visible_to(user).filter(execution_id=execution_id).values("key", "status", "port")
    iterations = Iteration.objects.visible_to(user).filter(execution_id=execution_id).values("key", "status")
    loops = LoopRun.objects.visible_to(user).filter(execution_id=execution_id).values("key")
    none: Any = {"port": Value(None, CharField()), "newest": Value(None, IntegerField()), "longest_path": Value("")}
    parts = [
        node_runs.annotate(what=Value("run"), number=Count("*"), newest=Max("id"), longest_path=Max("path")),
        iterations.annotate(what=Value("iteration"), number=Count("*"), **none),
        loops.annotate(what=Value("loop"), status=Value(""), number=Sum("total"), **none),
    ]
    first, *others = [part.order_by().values_list(*_NAMES) for part in parts]
    return first.union(*others, all=True)
