"""What becomes of a save that began at a version which is no longer the newest."""

from typing import Any

from apps.engine.changes import Merged, merge
from apps.engine.errors import ConflictError, InvalidError
from apps.workflows.models import Workflow, WorkflowVersion

MAX_SHOWN = 1000


class UnknownBaseError(InvalidError):
    """The version that an edit is said to begin at was never there; details: {"base": int, "newest": int}."""

    code = "unknown_base_version"


class BaseGoneError(ConflictError):
    """The version that an edit began at has been pruned, so that nobody can say any more what was changed."""

    code = "base_version_gone"


class EditConflictError(ConflictError):
    """Somebody else saved meanwhile, and the two changes contradict each other. Nothing is stored.

    details   {"base": int, "theirs": int, "conflicts": [{"kind", "key", "path", "base", "mine", "theirs"}], "conflict_count": int,
              "errors": [problem], "document": definition}: the numbers of the common version and of the newest, at most a thousand of
              the conflicts, and the merge so far, which has theirs where there is a conflict. `errors` says why the merged
              definition is not valid, where nothing contradicts.
    """

    code = "edit_conflict"

    def __init__(self, *, base: int, theirs: int, merged: Merged, errors: list[Any] | None = None) -> None:
        count = len(merged.conflicts)
        found = f"{count} of your changes contradict it" if count else "together the changes make no valid definition"
        super().__init__(
            f"Version {theirs} was saved after version {base}, where you began, and {found}.",
            base=base,
            theirs=theirs,
            conflicts=[conflict.as_json() for conflict in merged.conflicts[:MAX_SHOWN]],
            conflict_count=count,
            errors=errors or [],
            document=merged.document,
        )


def merge_into(newest: WorkflowVersion, definition: dict[str, Any], *, base_number: int) -> Merged:
    """Merge a definition that was made from version `base_number` into the newest version.

    Raises EditConflictError, UnknownBaseError, BaseGoneError.
    """
    base = _get_base(newest.workflow, base_number, newest.number)
    merged = merge(base.definition, definition, newest.definition)
    if merged.conflicts:
        raise EditConflictError(base=base_number, theirs=newest.number, merged=merged)
    return merged


def _get_base(workflow: Workflow, number: int, newest: int) -> WorkflowVersion:
    base = workflow.versions.only("definition").filter(number=number).first()
    if base is not None:
        return base
    if 0 < number < newest:
        raise BaseGoneError(f"Version {number}, where you began, is not kept any more. The newest is {newest}.", base=number, newest=newest)
    raise UnknownBaseError(f"Expected the number of a version to begin at, from 1 to {newest}, found {number}.", base=number, newest=newest)
