"""The same done to many tasks: each by itself, so that one that cannot be done holds up no other."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from apps.accounts.models import User
from apps.engine.errors import StructForgeError
from apps.tasks.deciding import complete
from apps.tasks.holding import claim, delegate, release
from apps.tasks.queries import get_task

MAX_TASKS = 100


@dataclass(frozen=True, slots=True)
class Done:
    """error   why it was not done; None where it was"""

    task_id: int
    error: StructForgeError | None


def do_to_all(action: str, *, task_ids: Iterable[int], user: User, variables: Mapping[str, Any], to: str) -> Iterator[Done]:
    """Do one of `complete`, `claim`, `release` and `delegate` to each task."""
    actions: dict[str, Callable[[int], Any]] = {
        "complete": lambda task_id: complete(task_id=task_id, user=user, variables=variables),
        "claim": lambda task_id: claim(task_id=task_id, user=user),
        "release": lambda task_id: release(task_id=task_id, user=user),
        "delegate": lambda task_id: delegate(task_id=task_id, user=user, to=to),
    }
    for task_id in dict.fromkeys(task_ids):
        try:
            actions[action](get_task(user, task_id).pk)
        except StructForgeError as error:
            yield Done(task_id, error)
        else:
            yield Done(task_id, None)
