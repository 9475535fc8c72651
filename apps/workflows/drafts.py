"""What a person works on before saving it: one draft for each person and workflow, which nobody else sees."""

from collections.abc import Mapping
from typing import Any

from django.db import transaction

from apps.accounts.models import User
from apps.engine.definition import MAX_EDGES, MAX_NODES
from apps.engine.errors import InvalidError, NotFoundError
from apps.workflows.actions import Saved, save_version
from apps.workflows.merging import UnknownBaseError
from apps.workflows.models import Draft, DraftQuerySet, Workflow, WorkflowVersion


class DraftNotFoundError(NotFoundError):
    code = "draft_not_found"


class DraftTooLargeError(InvalidError):
    code = "draft_too_large"


def get_draft(workflow: Workflow, user: User) -> Draft:
    """The person's own draft, with its base version without the definition. Raises DraftNotFoundError."""
    return _first(_drafts(workflow, user), workflow)


@transaction.atomic
def keep_draft(*, workflow: Workflow, user: User, definition: Mapping[str, Any], base_number: int | None = None) -> Draft:
    """Keep what a person works on, in place of what was kept before. It need not be a valid definition.

    base_number   the version that the work began at; None: that of the draft so far, else the newest
    Raises DraftTooLargeError, UnknownBaseError.
    """
    _check_size(definition)
    kept: dict[str, Any] = {"definition": definition}
    if base_number is not None or not _drafts(workflow, user).exists():
        kept["base_version"] = _get_base(workflow, base_number)
    draft, _ = Draft.objects.update_or_create(workflow=workflow, user=user, defaults={**kept, "workspace_id": workflow.workspace_id})
    return draft


def discard_draft(*, workflow: Workflow, user: User) -> None:
    """Forget a draft. Raises DraftNotFoundError."""
    get_draft(workflow, user).delete()


@transaction.atomic
def save_draft(*, workflow: Workflow, user: User, changelog: str = "", publish: bool = False) -> Saved:
    """Make the person's draft the next version, merged with what others saved since it began; the draft is gone then.

    Raises DraftNotFoundError, InvalidDefinitionError, EditConflictError; the draft stays then.
    """
    draft = _first(_drafts(workflow, user).select_for_update(of=("self",)), workflow)
    saved = save_version(
        workflow=workflow,
        definition=draft.definition,
        changelog=changelog,
        created_by=user,
        publish=publish,
        base_number=draft.base_version.number,
    )
    draft.delete()
    return saved


def _drafts(workflow: Workflow, user: User) -> DraftQuerySet:
    found = Draft.objects.filter(workflow=workflow, user=user)
    return found.select_related("base_version").defer("base_version__definition", "base_version__start")


def _first(drafts: DraftQuerySet, workflow: Workflow) -> Draft:
    found = drafts.first()
    if found is None:
        raise DraftNotFoundError(f"You have no draft of workflow '{workflow.name}'.")
    return found


def _get_base(workflow: Workflow, number: int | None) -> WorkflowVersion:
    versions = workflow.versions.defer("definition", "start").order_by("-number")
    base = (versions if number is None else versions.filter(number=number)).first()
    if base is None:
        raise UnknownBaseError(f"Workflow '{workflow.name}' has no version {number} to begin at.", base=number)
    return base


def _check_size(definition: Mapping[str, Any]) -> None:
    for name, most in (("nodes", MAX_NODES), ("edges", MAX_EDGES)):
        parts = definition.get(name)
        if isinstance(parts, list) and len(parts) > most:
            raise DraftTooLargeError(f"Expected at most {most} {name}, found {len(parts)}.", pointer=f"/{name}", found=len(parts))
