"""What other apps have to say of a definition before it is stored. They know workflows and workflows do not know them."""

from collections.abc import Callable, Iterator
from uuid import UUID

from apps.engine.definition import Definition
from apps.engine.problems import InvalidDefinitionError, Problem

Check = Callable[[UUID, Definition], Iterator[Problem]]

_checks: list[Check] = []


def check_before_saving(check: Check) -> None:
    """Call `check(workspace_id, definition)` before each save; what it finds refuses it."""
    _checks.append(check)


def check_allowed(workspace_id: UUID, definition: Definition) -> None:
    """Raise InvalidDefinitionError where the workspace does not allow this."""
    if problems := [problem for check in _checks for problem in check(workspace_id, definition)]:
        raise InvalidDefinitionError(problems)
