"""Workflows that somebody wants near at hand, and those that are put away: one function a verb."""

from django.db import transaction
from django.db.models.functions import Now

from apps.accounts.models import User
from apps.core import audit
from apps.core.audit import Verb
from apps.engine.errors import ConflictError
from apps.workflows.models import Favourite, Workflow


class WorkflowArchivedError(ConflictError):
    """An archived workflow starts nothing."""

    code = "workflow_archived"


def add_favourite(*, workflow: Workflow, user: User) -> None:
    """Twice is as good as once."""
    Favourite.objects.bulk_create([Favourite(workflow=workflow, user=user)], ignore_conflicts=True)


def remove_favourite(*, workflow: Workflow, user: User) -> None:
    Favourite.objects.filter(workflow=workflow, user=user).delete()


@transaction.atomic
def archive_workflow(*, workflow: Workflow) -> Workflow:
    """Put it away: it is not listed by default and nothing starts it; executions under way go on. Twice is as good as once."""
    changed = Workflow.objects.filter(pk=workflow.pk, archived_at__isnull=True).update(archived_at=Now(), updated_at=Now())
    workflow.refresh_from_db(fields=["archived_at", "updated_at"])
    if changed:
        audit.record(Verb.WORKFLOW_ARCHIVED, workflow)
    return workflow


@transaction.atomic
def unarchive_workflow(*, workflow: Workflow) -> Workflow:
    """Take it out again, as it was."""
    changed = Workflow.objects.filter(pk=workflow.pk, archived_at__isnull=False).update(archived_at=None, updated_at=Now())
    workflow.refresh_from_db(fields=["archived_at", "updated_at"])
    if changed:
        audit.record(Verb.WORKFLOW_UNARCHIVED, workflow)
    return workflow


def check_not_archived(workflow: Workflow) -> None:
    """Raise WorkflowArchivedError where nothing may start."""
    if workflow.archived_at is not None:
        raise WorkflowArchivedError(f"Workflow '{workflow.name}' is archived. Unarchive it to start it.")
