"""What other apps keep in a workspace. They know accounts and accounts does not know them, so they say it here, as they are loaded."""

from collections.abc import Callable
from uuid import UUID

Count = Callable[[UUID], int]
Forget = Callable[[UUID, UUID], None]

_contents: dict[str, Count] = {}
_leaving: list[Forget] = []


def count_as_content(name: str, count: Count) -> None:
    """A workspace that holds any of these is deleted only by who says its name.

    name    in the plural, as people read it
    count   workspace id → how many there are
    """
    _contents[name] = count


def when_somebody_leaves(forget: Forget) -> None:
    """Call `forget(workspace_id, user_id)` in the transaction in which a person stops being a member, to take away what hung on it."""
    _leaving.append(forget)


def contents_of(workspace_id: UUID) -> dict[str, int]:
    """{name: how many} of what the workspace holds, without zeros."""
    counted = {name: count(workspace_id) for name, count in _contents.items()}
    return {name: number for name, number in counted.items() if number}


def forget_member(workspace_id: UUID, user_id: UUID) -> None:
    for forget in _leaving:
        forget(workspace_id, user_id)
